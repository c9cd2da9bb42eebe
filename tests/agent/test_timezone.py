"""The zone that a device says it is in: from its environment or its files, by name or not at all."""

import json
import os
import subprocess
import sys

import pytest

from watchbill.core.zones import zone_names
from watchbill_agent import platform_linux


@pytest.fixture
def etc(tmp_path, monkeypatch):
    monkeypatch.setattr(platform_linux, "ETC", tmp_path)
    monkeypatch.delenv("TZ", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("/var/db/timezone/zoneinfo/Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("/usr/share/zoneinfo/posix/Etc/GMT+5", "Etc/GMT+5"),
        ("/usr/share/zoneinfo/right/UTC", "UTC"),
        ("/srv/clock", None),
    ],
)
def test_the_link_of_the_clocks_names_the_zone(etc, target, name):
    (etc / "localtime").symlink_to(target)
    assert platform_linux.timezone() == name


def test_a_link_to_a_link_is_followed_and_a_circle_ends(etc):
    (etc / "localtime").symlink_to("alternatives")
    (etc / "alternatives").symlink_to("/usr/share/zoneinfo/Asia/Kathmandu")
    assert platform_linux.timezone() == "Asia/Kathmandu"
    (etc / "alternatives").unlink()
    (etc / "alternatives").symlink_to("localtime")
    assert platform_linux.timezone() is None


def test_the_text_file_counts_where_the_link_is_a_copy(etc):
    assert platform_linux.timezone() is None
    (etc / "localtime").write_bytes(b"TZif2")
    (etc / "timezone").write_text("Pacific/Auckland\n# left by an installer\n")
    assert platform_linux.timezone() == "Pacific/Auckland"
    (etc / "timezone").write_bytes(b"\xff\0 not a zone")
    assert platform_linux.timezone() is None


def test_the_link_goes_before_a_text_file_left_over(etc):
    (etc / "timezone").write_text("Europe/London\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert platform_linux.timezone() == "Europe/Berlin"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Africa/Casablanca", "Africa/Casablanca"),
        (":America/St_Johns", "America/St_Johns"),
        (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("<+0330>-3:30", None),
        ("CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("", "Europe/Berlin"),
    ],
)
def test_the_environment_goes_before_the_files(etc, monkeypatch, value, name):
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setenv("TZ", value)
    assert platform_linux.timezone() == name


def test_every_zone_of_the_pinned_rules_has_a_name_that_can_be_told(etc, monkeypatch):
    for name in zone_names():
        monkeypatch.setenv("TZ", name)
        assert platform_linux.timezone() == name


def test_the_agents_own_report_has_the_zone():
    done = subprocess.run(
        [sys.executable, "-m", "watchbill_agent", "inventory"],
        env={**os.environ, "TZ": "Australia/Lord_Howe"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["timezone"] == "Australia/Lord_Howe"
