"""What processes may do is given up for good."""

import os
import subprocess
import sys

import pytest

from watchbill.kit.processes import without_network_rights

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
_SHOW = ["grep", "^Cap", "/proc/self/status"]
_NET_ADMIN = 1 << 12


def capabilities(argv: list[str]) -> dict[str, int]:
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {name.rstrip(":"): int(number, 16) for name, number in (line.split() for line in shown.splitlines())}


@needs_root
def test_a_process_without_the_right_to_change_the_network_cannot_get_it_back() -> None:
    before, after = capabilities(_SHOW), capabilities(without_network_rights(_SHOW))
    assert before["CapEff"] & _NET_ADMIN
    assert not any(after[name] & _NET_ADMIN for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert after["CapEff"] | _NET_ADMIN == before["CapEff"], "all else stays"


@needs_root
def test_who_has_no_such_right_is_started_as_it_is() -> None:
    program = "from watchbill.kit.processes import without_network_rights as w; print(w(['true']))"
    dropped = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"]
    shown = subprocess.run([*dropped, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "['true']\n"
