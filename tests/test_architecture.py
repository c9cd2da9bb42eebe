"""The tree keeps its rules; and each rule is seen to find what is planted for it in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import architecture
from tests.architecture import Module

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"


@pytest.mark.parametrize("rule", architecture.RULES)
def test_the_sources_keep(rule: str) -> None:
    findings = [str(one) for module in architecture.modules(SOURCES) for one in architecture.check(module, (rule,))]
    assert not findings, "\n".join(findings)


def test_tests_and_benches_keep_theirs() -> None:
    trees = [*architecture.modules(ROOT / "tests"), *architecture.modules(ROOT / "bench")]
    findings = [str(one) for module in trees for one in architecture.check(module, architecture.RULES_FOR_TESTS)]
    assert not findings, "\n".join(findings)


def test_every_place_that_a_rule_names_exists() -> None:
    """What is allowed somewhere must not outlive the place."""
    names = {module.name for module in architecture.modules(SOURCES)}
    named = architecture.MAY_CATCH_BROADLY | architecture.MAY_COMMIT | architecture.MAY_COMPOSE_SQL
    named |= set(architecture.PURE_EXCEPTIONS)
    named |= {f"watchbill.{package}.{one}" for package, places in architecture.SQL_PLACES.items() for one in places}
    assert named <= names, named - names


#: Rule -> (file, what is planted there). A file that exists gets the text at its end.
PLANTED: dict[str, list[tuple[str, str]]] = {
    "module_says_what_it_owns": [("watchbill/jobs/planted.py", "ANSWER = 42\n")],
    "module_is_short": [("watchbill/jobs/planted.py", '"""Long."""\n' + "\n" * 500)],
    "function_is_short": [("watchbill/jobs/saving.py", "\ndef planted() -> None:\n" + "    print()\n" * 60)],
    "broad_handler_has_a_home": [
        ("watchbill/jobs/saving.py", "\ntry:\n    print()\nexcept Exception:\n    print()\n"),
        ("watchbill/jobs/saving.py", "\ntry:\n    print()\nexcept:\n    print()\n"),
        (
            "watchbill/jobs/saving.py",
            "\ntry:\n    print()\nexcept (OSError, BaseException) as error:\n    print(error)\n",
        ),
        ("watchbill/runs/opening.py", "\nimport contextlib\nwith contextlib.suppress(Exception):\n    print()\n"),
    ],
    "nothing_is_suppressed": [
        ("watchbill/jobs/saving.py", "\nanswer: int = '42'  # type: ignore[assignment]\n"),
        ("watchbill/jobs/saving.py", "\nimport os  # noqa\n"),
        ("watchbill/jobs/saving.py", "\nimport os  # noqa: F401\n"),
    ],
    "nothing_is_unfinished": [
        ("watchbill/jobs/saving.py", "\n# TODO: think\n"),
        ("watchbill/jobs/saving.py", "\ndef planted() -> None:\n    pass\n"),
        ("watchbill/jobs/saving.py", "\ndef planted() -> None: ...\n"),
        ("watchbill/jobs/saving.py", "\ndef planted() -> None:\n    raise NotImplementedError('soon')\n"),
    ],
    "transactions_belong_to_the_edge": [
        ("watchbill/jobs/saving.py", "\nasync def planted(tx: AsyncConnection) -> None:\n    await tx.commit()\n"),
        ("watchbill/runs/record.py", "\nasync def planted(tx: AsyncConnection) -> None:\n    await tx.rollback()\n"),
        ("watchbill/jobs/saving.py", "\nasync def planted(db):\n    async with db.begin() as tx:\n        print(tx)\n"),
    ],
    "sql_has_its_places": [
        ("watchbill/jobs/saving.py", "\nfrom sqlalchemy import select\n"),
        ("watchbill/jobs/__init__.py", "\nfrom sqlalchemy import text\n"),
        ("watchbill/api/runs.py", "\nfrom watchbill.runs.tables import runs as planted\n"),
        ("watchbill/apps/scheduler.py", "\nfrom sqlalchemy.dialects.postgresql import insert\n"),
    ],
    "sql_text_is_constant": [
        ("watchbill/jobs/store.py", "\ndef planted(name: str) -> object:\n    return text(f'SELECT {name}')\n"),
        ("watchbill/jobs/store.py", "\ndef planted(name: str) -> object:\n    return text('SELECT ' + name)\n"),
        ("watchbill/jobs/store.py", "\ndef planted(name: str) -> object:\n    return text(name)\n"),
    ],
    "sql_is_told_the_time": [
        ("watchbill/jobs/store.py", "\n_PLANTED = text('UPDATE jobs SET updated_at = now()')\n"),
        ("watchbill/jobs/store.py", "\n_PLANTED = select(func.now())\n"),
        ("watchbill/migrations/versions/m0003_assemblies_and_jobs.py", "\nUP += 'DEFAULT CURRENT_TIMESTAMP'\n"),
    ],
    "store_is_private": [
        ("watchbill/runs/opening.py", "\nfrom watchbill.jobs.store import find\n"),
        ("watchbill/runs/opening.py", "\nfrom watchbill.jobs import store\n"),
        ("watchbill/apps/scheduler.py", "\nimport watchbill.queue.store\n"),
    ],
    "handler_only_shapes": [
        (
            "watchbill/api/sites.py",
            "\n@resource.get('/api/planted')\nasync def planted() -> None:\n    try:\n        print()\n    finally:\n        print()\n",
        ),
        (
            "watchbill/api/sites.py",
            "\n@resource.get('/api/planted')\nasync def planted() -> None:\n" + "    print()\n" * 17,
        ),
    ],
    "environment_has_its_readers": [
        ("watchbill/jobs/saving.py", "\nimport os\nPLANTED = os.environ['HOME']\n"),
        ("watchbill/core/states.py", "\nimport os\nPLANTED = os.getenv('HOME')\n"),
        ("watchbill_wire/codec.py", "\nimport os\nPLANTED = os.environ.get('HOME')\n"),
    ],
    "core_is_pure": [
        ("watchbill/core/states.py", "\nimport time\n"),
        ("watchbill/core/states.py", "\nfrom random import random\n"),
        ("watchbill/core/states.py", "\nimport sqlalchemy\n"),
        ("watchbill/core/states.py", "\nfrom dateutil import tz\n"),
        ("watchbill/core/states.py", "\nfrom watchbill.kit import clock\n"),
        ("watchbill/core/states.py", "\nfrom datetime import date\nPLANTED = date.today()\n"),
        ("watchbill/core/states.py", "\nPLANTED = open('/etc/hosts')\n"),
    ],
    "tests_use_the_real_thing": [
        ("watchbill/jobs/planted.py", '"""A test."""\nfrom unittest.mock import MagicMock\n'),
        ("watchbill/jobs/planted.py", '"""A test."""\nfrom unittest import mock\n'),
    ],
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(SOURCES, tmp_path_factory.mktemp("tree") / "src", ignore=_CACHES))


_CACHES = shutil.ignore_patterns("__pycache__")


def plant(tree: Path, file: str, text: str) -> Module:
    path = tree / file
    path.write_text((path.read_text() if path.exists() else "") + text)
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Module(path, name)


def test_every_rule_has_something_planted_for_it() -> None:
    assert PLANTED.keys() == architecture.RULES.keys()


@pytest.mark.parametrize(
    ("rule", "file", "text"), [(rule, file, text) for rule, plants in PLANTED.items() for file, text in plants]
)
def test_a_planted_violation_is_found(copied: Path, rule: str, file: str, text: str) -> None:
    path = copied / file
    before = path.read_text() if path.exists() else None
    try:
        planted = plant(copied, file, text)
        assert [one.rule for one in architecture.check(planted, (rule,))] == [rule]
    finally:
        path.unlink() if before is None else path.write_text(before)


def lint_imports(tree: Path) -> tuple[int, str]:
    """import-linter's verdict on the packages below `tree`."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-logo",
            "--no-cache",
            "--config",
            ROOT / "pyproject.toml",
        ],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_imports_keep_their_order() -> None:
    status, said = lint_imports(SOURCES)
    assert status == 0, said


#: One broken contract each.
AGAINST_THE_ORDER = {
    "Imports only go down": ("watchbill/sites/service.py", "\nfrom watchbill import devices\n"),
    "The wire protocol knows neither side": ("watchbill_wire/codec.py", "\nimport watchbill_agent.backoff\n"),
    "The agent shares the wire protocol with the Engine, and nothing else": (
        "watchbill_agent/backoff.py",
        "\nimport watchbill.core.problems\n",
    ),
    "The Engine never imports the agent": ("watchbill/apps/doctor.py", "\nimport watchbill_agent.clock\n"),
    "Only queue knows PgQueuer": ("watchbill/runs/planning.py", "\nimport pgqueuer\n"),
    "Only the API knows HTTP frameworks": ("watchbill/jobs/saving.py", "\nfrom fastapi import Request\n"),
    "Only the gateway knows picows": ("watchbill/apps/scheduler.py", "\nimport picows\n"),
    "Only processes know the command line": ("watchbill/kit/paging.py", "\nimport typer\n"),
}


def test_a_planted_import_breaks_its_contract(tmp_path: Path) -> None:
    tree = Path(shutil.copytree(SOURCES, tmp_path / "src", ignore=_CACHES))
    for file, text in AGAINST_THE_ORDER.values():
        assert (tree / file).exists()
        plant(tree, file, text)
    status, said = lint_imports(tree)
    broken = set(re.findall(r"^(.+) BROKEN$", said, re.MULTILINE))
    assert (status, broken) == (1, set(AGAINST_THE_ORDER)), said


def test_siblings_do_not_import_each_other(tmp_path: Path) -> None:
    tree = Path(shutil.copytree(SOURCES, tmp_path / "src", ignore=_CACHES))
    plant(tree, "watchbill/assemblies/catalogue.py", "\nfrom watchbill import queue\n")
    status, said = lint_imports(tree)
    assert status == 1
    assert "watchbill.assemblies.catalogue -> watchbill.queue" in said


def test_a_package_without_a_place_in_the_order_is_found(tmp_path: Path) -> None:
    tree = Path(shutil.copytree(SOURCES, tmp_path / "src", ignore=_CACHES))
    (tree / "watchbill/novelty").mkdir()
    plant(tree, "watchbill/novelty/__init__.py", '"""New."""\n')
    status, said = lint_imports(tree)
    assert status == 1
    assert "novelty" in said
