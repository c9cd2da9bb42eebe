"""A folder of real archives of collections, built by `ansible-galaxy`, and checks that work in the test's own folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from watchbill.core.assembly_check import check
from watchbill.playbooks import CollectionCache, SyntaxChecks

Build = Callable[..., Path]
MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={}).exit_json()
"""


def galaxy(*arguments, cwd):
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LC_ALL": "C.UTF-8"}
    argv = [sys.executable, "-m", "ansible", "galaxy", "collection", *map(str, arguments)]
    subprocess.run(argv, cwd=cwd, env=environment, check=True, capture_output=True, timeout=50)


@pytest.fixture(scope="session")
def build(tmp_path_factory) -> Build:
    """Builds an archive of a collection with the module `greet` into a folder."""

    def built(into: Path, name: str, version: str, needs: dict[str, str] | None = None) -> Path:
        namespace, _, short = name.partition(".")
        work = tmp_path_factory.mktemp("collection")
        (work / "plugins" / "modules").mkdir(parents=True)
        (work / "plugins" / "modules" / "greet.py").write_text(MODULE)
        (work / "README.md").write_text("Greets.\n")
        lines = [
            f"namespace: {namespace}",
            f"name: {short}",
            f"version: {version}",
            "readme: README.md",
            "authors: [them]",
        ]
        lines += ["dependencies:", *(f'  {one}: "{bound}"' for one, bound in needs.items())] if needs else []
        (work / "galaxy.yml").write_text("\n".join(lines) + "\n")
        into.mkdir(parents=True, exist_ok=True)
        galaxy("build", "--output-path", into, work, cwd=work)
        return into / f"{namespace}-{short}-{version}.tar.gz"

    return built


@pytest.fixture(scope="session")
def source(tmp_path_factory, build) -> Path:
    folder: Path = tmp_path_factory.mktemp("source")
    build(folder, "crew.deck", "1.2.0")
    build(folder, "crew.deck", "1.10.0")
    build(folder, "crew.sails", "2.0.0", {"crew.deck": "<1.5"})
    build(folder, "crew.lost", "1.0.0", {"crew.gone": "*"})
    return folder


@pytest.fixture
def cache(tmp_path, source) -> CollectionCache:
    return CollectionCache(tmp_path / "data", str(source))


@pytest.fixture
def checks(cache) -> SyntaxChecks:
    return SyntaxChecks(cache)


@pytest.fixture
def asked(checks):
    """What is found at a playbook with these files."""

    async def ask(content, files=None, by=None, **more):
        files = files or {}
        listed = [{"name": name, "sha256": "ab" * 32} for name in files]
        checked = check({"name": "P", "kind": "playbook", "content": content, "files": listed} | more)
        assert not checked.problems

        async def lay_out(directory: Path) -> None:
            (directory / "playbook.yml").write_text(content)
            for name, text in files.items():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_text(text)

        return await (by or checks).check(checked.draft, lay_out)

    return ask
