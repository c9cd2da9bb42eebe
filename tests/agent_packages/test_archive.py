"""What is read from a package file, and what no package may be."""

from datetime import UTC, datetime

import pytest

from tests.factories.packages import (
    AARCH64,
    package,
    program,
    tar_gz,
    windows_package,
    written,
)
from watchbill.agent_packages import Inspected, inspect
from watchbill.kit.errors import InvalidError

TOP = "watchbill-agent-1.0.0"
GOOD = {f"{TOP}/watchbill-agent": program()}


def test_version_architecture_and_date_are_those_of_the_file(tmp_path):
    dated = datetime.fromtimestamp(1_790_000_000, UTC)
    assert inspect(written(tmp_path, package("2.1.0-rc1"))) == Inspected("2.1.0-rc1", "linux", "x86_64", None, dated)
    assert inspect(written(tmp_path, package(machine=AARCH64))).arch == "aarch64"
    windows = inspect(written(tmp_path, windows_package()))
    assert (windows.platform, windows.arch, windows.version) == ("windows", "x86_64", "1.0.0")


def test_a_link_inside_of_the_folder_is_let_in(tmp_path):
    links = {f"{TOP}/_internal/libx.so": "../lib/libx.so.1"}
    assert inspect(written(tmp_path, tar_gz(GOOD, links=links))).version == "1.0.0"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_a_package"),
        (b"#!/bin/sh\n", "not_a_package"),
        (b"\x1f\x8b not really", "damaged"),
        (b"PK not really", "damaged"),
        (package()[:-20], "damaged"),
        (tar_gz({}), "top_folder"),
        (tar_gz({**GOOD, "other/file": b""}), "top_folder"),
        (tar_gz({"agent/watchbill-agent": program()}), "top_folder"),
        (tar_gz({f"{TOP}/other": program()}), "no_program"),
        (tar_gz(GOOD, mode=0o644), "not_executable"),
        (tar_gz({**GOOD, f"{TOP}/../../etc/passwd": b""}), "unsafe_path"),
        (tar_gz({**GOOD, "/etc/passwd": b""}), "unsafe_path"),
        (tar_gz(GOOD, links={f"{TOP}/out": "../../etc"}), "unsafe_link"),
        (tar_gz(GOOD, links={f"{TOP}/out": "/etc/passwd"}), "unsafe_link"),
        (tar_gz({**GOOD, f"{TOP}/lib": program(AARCH64)}), "unknown_arch"),
        (package(machine=3), "unknown_arch"),
        (tar_gz({f"{TOP}/watchbill-agent": b"#!/bin/sh\n"}), "unknown_arch"),
        (tar_gz({f"{TOP}/watchbill-agent": program()[:20]}), "damaged"),
    ],
)
def test_what_is_no_package_is_refused_with_the_reason(tmp_path, data, code):
    with pytest.raises(InvalidError) as caught:
        inspect(written(tmp_path, data))
    assert [one.code for one in caught.value.problems] == [code]
