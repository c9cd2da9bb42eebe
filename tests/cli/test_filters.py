"""`watchbill filters` against a real API, and jobs that are aimed at filters by options."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Watchbill
from tests.cli.test_client import assembly, job_file, made  # noqa: F401 - fixtures


@pytest.fixture
def site(signed_in: Watchbill, unique: str) -> str:
    made(signed_in("sites", "create", f"Quay {unique}"))
    return f"Quay {unique}"


@pytest.fixture
def saved(signed_in: Watchbill, unique: str) -> str:
    made(signed_in("filters", "create", f"Webs {unique}", "--where", "hostname contains web"))
    return f"Webs {unique}"


def test_a_filter_is_created_from_conditions_listed_and_shown(signed_in: Watchbill, site: str, unique: str):
    words = ("--where", "hostname contains web", "--where", "tags has_any prod,eu", "--site", site)
    reply = made(signed_in("filters", "create", f"Webs {unique}", *words))
    assert 'hostname contains "web" and tags have any of "prod", "eu"' in reply.out
    rows = made(signed_in("filters", "list", "-q", unique)).out.splitlines()
    assert rows[0].split()[:2] == ["ID", "NAME"]
    assert f"Webs {unique}" in rows[1]
    shown = made(signed_in("filters", "show", f"Webs {unique}", "--json")).json
    assert (shown["site_mode"], len(shown["site_ids"])) == ("only", 1)
    assert "Devices whose" in made(signed_in("filters", "show", f"Webs {unique}")).out


def test_what_is_exported_is_created_and_updated_from(signed_in: Watchbill, saved: str, unique: str, tmp_path: Path):
    file = tmp_path / "filter.yaml"
    file.write_text(made(signed_in("filters", "export", saved)).out)
    copy = made(signed_in("filters", "create", f"Again {unique}", "-f", str(file), "--json")).json
    file.write_text(made(signed_in("filters", "export", saved, "--json")).out.replace('"web"', '"mail"'))
    assert copy["criteria"]["value"] == "web"
    changed = made(signed_in("filters", "update", saved, "-f", str(file), "--json")).json
    assert (changed["criteria"]["value"], changed["revision"]) == ("mail", 2)
    again = made(signed_in("filters", "update", saved, "--set", "description=mail too", "--json")).json
    assert (again["criteria"]["value"], again["description"], again["revision"]) == ("mail", "mail too", 3)


def test_every_problem_of_a_file_is_told_with_its_line(signed_in: Watchbill, tmp_path: Path):
    file = tmp_path / "filter.yaml"
    file.write_text("name: Bad\ncriteria:\n  all:\n    - field: hostnam\n      operator: is\nsite_mode: some\n")
    refused = signed_in("filters", "create", "-f", str(file))
    assert refused.code == 1
    assert "line 4" in refused.err
    assert "line 6" in refused.err


def test_a_preview_tells_who_and_why(signed_in: Watchbill, saved: str):
    found = made(signed_in("filters", "preview", saved))
    assert 'Devices whose hostname contains "web"' in found.err
    assert " online, " in found.err
    thought_of = made(signed_in("filters", "preview", "--where", "hostname is_known", "--limit", "1", "--json")).json
    assert thought_of["in_words"] == "hostname is known"
    assert signed_in("filters", "preview").code == 2


def test_a_filter_is_cloned_archived_brought_back_and_deleted(signed_in: Watchbill, saved: str, unique: str):
    made(signed_in("filters", "clone", saved, f"Copy {unique}"))
    made(signed_in("filters", "archive", f"Copy {unique}"))
    assert f"Copy {unique}" in made(signed_in("filters", "list", "--archived")).out
    made(signed_in("filters", "archive", f"Copy {unique}", "--back"))
    made(signed_in("filters", "delete", f"Copy {unique}", "--yes"))
    assert signed_in("filters", "show", f"Copy {unique}").code != 0
    nothing = made(signed_in("filters", "usage", saved))
    assert "Nothing uses it." in nothing.err + nothing.out


def test_the_fields_are_shown_with_their_operators(signed_in: Watchbill):
    assert "last_seen_age" in made(signed_in("filters", "fields")).out


def test_a_job_is_aimed_by_options_in_place_of_its_file(
    signed_in: Watchbill,
    saved: str,
    site: str,
    job_file: Path,  # noqa: F811 - the fixture
):
    words = ("--filter", saved, "--site", site, "--exclude", f"filter:{saved}")
    job = made(signed_in("jobs", "create", "-f", str(job_file), *words, "--json")).json
    assert [one["kind"] for one in job["targets"]] == ["filter", "site"]
    assert [one["kind"] for one in job["exclusions"]] == ["filter"]
    by_ids = job_file.with_name("ids.json")
    same = ("name", "components", "schedule")
    by_ids.write_text(json.dumps({name: job[name] for name in same} | {"name": f"{job['name']} too"}))
    words = ("-f", str(by_ids), "--all-devices", "--exclude", f"site:{site}", "--json")
    seen = signed_in("jobs", "preview", *words).json
    assert [one["message"] for one in seen["blockers"] if one["field"].startswith(("targets", "exclusions"))] == []
    everywhere = made(signed_in("jobs", "update", str(job["id"]), *words)).json
    assert [one["kind"] for one in everywhere["targets"]] == ["all_devices"]
    assert [one["kind"] for one in everywhere["exclusions"]] == ["site"]
    assert signed_in("jobs", "preview", str(job["id"]), "--filter", saved).code == 2
    assert made(signed_in("filters", "usage", saved, "--json")).json["jobs"] == []
