"""What programs ask of glibc, beside what objdump says of the same files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.packages import AARCH64, X86_64, program
from watchbill.core.elf import MAGIC, Elf

_SOME = 40


def real_files() -> list[Path]:
    places = [Path("/bin/sh"), Path(sys.executable), *sorted(Path("/usr/lib").glob("*-linux-gnu/*.so.*"))]
    found = [one for one in places if one.is_file() and one.read_bytes()[:6] == MAGIC + b"\x02\x01"]
    return found[:: max(1, len(found) // _SOME)]


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs binutils")
def test_what_real_programs_ask_for_is_what_objdump_finds():
    different = []
    for path in real_files():
        said = subprocess.run(["objdump", "-p", str(path)], capture_output=True, text=True, check=True).stdout
        _, _, references = said.partition("Version References:")
        versions = [(int(a), int(b)) for a, b in re.findall(r"GLIBC_(\d+)\.(\d+)", references)]
        if "GLIBC_ABI_DT_RELR" in references:
            versions.append((2, 36))
        if Elf(path.read_bytes()).needed_glibc() != max(versions, default=None):
            different.append(path)
    assert different == []
    assert len(real_files()) > 3


@pytest.mark.parametrize(("machine", "arch"), [(X86_64, "x86_64"), (AARCH64, "aarch64"), (3, None)])
def test_the_machine_is_told_by_its_name(machine, arch):
    assert Elf(program(machine)).arch == arch
    assert Elf(program(machine)).needed_glibc() is None


@given(st.binary(max_size=300), st.integers(0, 300))
def test_what_is_cut_or_made_up_is_refused_and_never_read_for_ever(noise, place):
    real = Path("/bin/sh").read_bytes()
    for data in (noise, MAGIC + b"\x02\x01" + noise, real[:place], real[:place] + noise + real[place + len(noise) :]):
        try:
            needed = Elf(data).needed_glibc()
        except ValueError:
            continue
        assert needed is None or all(number >= 0 for number in needed)
