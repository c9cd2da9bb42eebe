"""`watchbill agent-packages`, from the sources of the agent to a branch and off it again."""

import hashlib
import shutil

import pytest

from tests.cli.conftest import Watchbill
from tests.factories.packages import package, windows_package, written
from tests.factories.packed import packed_agent


@pytest.mark.timeout(600)  # two builds, where the sources have changed
@pytest.mark.skipif(shutil.which("objdump") is None, reason="building a package needs binutils")
def test_the_agent_is_built_and_published_and_the_same_sources_give_the_same_package(
    signed_in: Watchbill, tmp_path
) -> None:
    made = signed_in("agent-packages", "build", "--branch", "built", "--output", str(tmp_path), "--publish", "--json")
    assert made.code == 0, made.err
    built = made.json
    digest = hashlib.sha256((tmp_path / built["path"].rpartition("/")[2]).read_bytes()).hexdigest()
    assert built["published"]["sha256"] == digest
    assert (built["published"]["branch"], built["published"]["glibc"]) == ("built", built["glibc"])
    assert digest == hashlib.sha256(packed_agent().archive.read_bytes()).hexdigest()


def test_packages_are_published_listed_promoted_and_withdrawn(signed_in: Watchbill, tmp_path, unique: str) -> None:
    file = str(written(tmp_path, package(f"1.0-{unique}")))
    done = signed_in("agent-packages", "publish", file, "--branch", unique)
    assert (done.code, f"for linux x86_64 is on the branch {unique}" in done.out) == (0, True), done.err
    (there,) = signed_in("agent-packages", "list", "--branch", unique, "--json").json["items"]
    shown = signed_in("agent-packages", "list", "--branch", unique).out
    assert all(word in shown for word in (f"1.0-{unique}", "linux x86_64", "WITHDRAWN"))
    promoted = signed_in("agent-packages", "promote", str(there["id"]), "--branch", f"{unique}-next")
    assert (promoted.code, f"branch {unique}-next too" in promoted.out) == (0, True)
    gone = signed_in("agent-packages", "withdraw", str(there["id"]), "--yes")
    assert (gone.code, "is withdrawn" in gone.out) == (0, True)
    (after,) = signed_in("agent-packages", "list", "--branch", unique, "--json").json["items"]
    assert after["withdrawn_by"].startswith("admin")


def test_what_is_refused_is_told(signed_in: Watchbill, tmp_path) -> None:
    odd = signed_in("agent-packages", "publish", str(written(tmp_path, b"#!/bin/sh\n")))
    assert (odd.code, "must be a .tar.gz for Linux" in odd.err) == (1, True), odd.err
    none = signed_in("agent-packages", "publish", str(tmp_path / "none"))
    assert (none.code, "cannot be read" in none.err) == (1, True)
    branch = signed_in("agent-packages", "publish", str(written(tmp_path, windows_package())), "--branch", "No")
    assert (branch.code, "branch: must be" in branch.err) == (1, True), branch.err
    assert signed_in("agent-packages", "withdraw", "999999", "--yes").code == 5
    assert "No package is published" in signed_in("agent-packages", "list", "--branch", "empty").err
