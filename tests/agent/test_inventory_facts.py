"""What the agent reads about a Linux machine, from a tree of files that looks like one."""

import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill_agent import inventory_linux, inventory_logins, inventory_place, inventory_software, utmp


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def put(root: Path, path: str, content: str | bytes = "") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


# --- kind of machine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"sys/class/dmi/id/chassis_type": "10\n"}, "laptop"),
        ({"sys/class/dmi/id/chassis_type": "3\n"}, "desktop"),
        ({"sys/class/dmi/id/chassis_type": "23\n"}, "server"),
        ({"sys/class/dmi/id/chassis_type": "11\n"}, "other"),
        ({"sys/class/dmi/id/chassis_type": "2\n"}, None),
        ({"sys/class/dmi/id/chassis_type": "what\n"}, None),
        (
            {"sys/class/dmi/id/chassis_type": "3\n", "proc/cpuinfo": "processor : 0\nflags : fpu hypervisor sse\n"},
            "virtual",
        ),
        ({"sys/class/dmi/id/chassis_type": "3\n", "proc/cpuinfo": "processor : 0\nflags : fpu sse\n"}, "desktop"),
        ({"sys/class/dmi/id/product_name": "Virtual Machine\n"}, "virtual"),
        ({"sys/hypervisor/type": "xen\n"}, "virtual"),
        ({"run/systemd/container": "x", "sys/hypervisor/type": "xen\n"}, "container"),
        ({"proc/1/environ": b"PATH=/bin\0container=x\0"}, "container"),
        ({"proc/1/environ": b"PATH=/bin\0not_container=x\0"}, None),
    ],
)
def test_the_kind_of_machine_is_told_by_its_signs(
    root: Path, files: dict[str, str | bytes], expected: str | None
) -> None:
    for path, content in files.items():
        put(root, path, content)
    assert inventory_place.device_type(root) == expected


# --- domain ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hostname", "files", "expected"),
    [
        ("web-1", {}, None),
        ("web-1.Example.com", {}, "example.com"),
        ("web-1", {"etc/hosts": "127.0.1.1 web-1.lab.example.com web-1 # web-1.wrong\n"}, "lab.example.com"),
        ("web-1", {"etc/hosts": "10.0.0.9 web-10.lab.example.com web-10\n"}, None),
        ("web-1", {"etc/resolv.conf": "nameserver 10.0.0.1\nsearch corp.example.com other\n"}, "corp.example.com"),
        ("web-1", {"etc/resolv.conf": "search .\n"}, None),
        ("web-1.example.com", {"etc/sssd/sssd.conf": "[sssd]\n[domain/AD.example.com]\n"}, "ad.example.com"),
        ("web-1.example.com", {"etc/krb5.conf": "default_realm = AD.EXAMPLE.COM\n"}, "example.com"),
        (
            "web-1.example.com",
            {"etc/krb5.conf": " default_realm = AD.EXAMPLE.COM\n", "etc/krb5.keytab": "k"},
            "ad.example.com",
        ),
        ("web-1.ex ample", {}, None),
    ],
)
def test_the_domain_is_the_nearest_that_the_machine_knows(
    root: Path, hostname: str, files: dict[str, str], expected: str | None
) -> None:
    for path, content in files.items():
        put(root, path, content)
    assert inventory_place.domain(hostname, root) == expected


# --- logins ------------------------------------------------------------------------------------------------------------


def record(kind: int, user: str, seconds: int, line_id: str = "ts/0") -> bytes:
    """As `struct utmp` is laid out by a C compiler, with its own padding."""
    layout = struct.Struct("@hi32s4s32s256shhlll16s20s" if utmp.IS_WIDE else "@hi32s4s32s256shhiii16s20s")
    packed = layout.pack(kind, 7, b"pts/0", line_id.encode(), user.encode(), b"", 0, 0, 0, seconds, 0, b"", b"")
    return packed.ljust(inventory_logins.RECORD.size, b"\0")


def test_users_are_read_whole_whatever_the_line_is_called(root: Path) -> None:
    put(
        root,
        "run/utmp",
        record(7, "ada", 50) + record(7, "bob", 60, "1") + record(8, "gone", 70) + record(2, "reboot", 1),
    )
    assert inventory_logins.users(root) == ["ada", "bob"]


def test_the_last_user_is_the_one_of_the_latest_login_of_any_record(root: Path) -> None:
    assert inventory_logins.last_user(root) is None
    put(
        root,
        "var/log/wtmp",
        record(7, "ada", 100) + record(7, "bob", 200) + record(8, "", 900) + record(2, "reboot", 950),
    )
    assert inventory_logins.last_user(root) == "bob"
    put(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\ncleo:x:3:3::/:/bin/sh\nbroken\n")
    put(root, "var/log/lastlog", b"\0" * (3 * inventory_logins.LAST.size) + inventory_logins.LAST.pack(300, b"", b""))
    assert inventory_logins.last_user(root) == "cleo"
    put(root, "run/systemd/sessions/1", "USER=dan\nCLASS=user\nREALTIME=400000000\n")
    put(root, "run/systemd/sessions/2", "USER=greeter\nCLASS=greeter\nREALTIME=900000000\n")
    assert inventory_logins.last_user(root) == "dan"
    table(
        root,
        "var/lib/wtmpdb/wtmp.db",
        "CREATE TABLE wtmp (Type, User, Login)",
        "INSERT INTO wtmp VALUES (3, 'eve', 500000000)",
    )
    assert inventory_logins.last_user(root) == "eve"
    table(
        root,
        "var/lib/lastlog/lastlog2.db",
        "CREATE TABLE Lastlog2 (Name, Time)",
        "INSERT INTO Lastlog2 VALUES ('fay', 600)",
    )
    assert inventory_logins.last_user(root) == "fay"


def table(root: Path, path: str, *statements: str) -> None:
    (root / path).parent.mkdir(parents=True)
    with sqlite3.connect(root / path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_only_the_end_of_a_long_log_is_read_and_broken_records_tell_nothing(root: Path) -> None:
    put(
        root, "var/log/wtmp", record(7, "old", 10**9) + record(8, "", 1) * 4000 + record(7, "new", 5) + b"half a record"
    )
    assert inventory_logins.last_user(root) == "new"
    put(root, "var/lib/lastlog/lastlog2.db", "no database")
    assert inventory_logins.last_user(root) == "new"


@given(st.binary(max_size=2000))
def test_any_bytes_are_some_log_of_logins(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("logins")
    put(root, "var/log/wtmp", data)
    found = inventory_logins.last_user(root)
    assert found is None or found


# --- software ----------------------------------------------------------------------------------------------------------

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.1-1
Description: compression
 Version: not a field

Package: zlib1g
Status: install ok installed
Architecture: i386
Version: 1:1.3.1-1

Package: removed
Status: deinstall ok config-files
Version: 2

Package: bash
Status: install ok installed
Version: 5.2-1"""


def test_installed_packages_are_told_once_and_removed_ones_are_not(root: Path) -> None:
    put(root, "var/lib/dpkg/status", STATUS)
    assert inventory_software.installed(root) == {"dpkg": [["bash", "5.2-1"], ["zlib1g", "1:1.3.1-1"]]}


def test_a_machine_without_package_databases_tells_none(root: Path) -> None:
    assert inventory_software.installed(root) == {}


def test_no_more_is_told_than_is_kept(root: Path) -> None:
    entry = "Package: p{}\nStatus: install ok installed\nVersion: 1\n\n"
    put(root, "var/lib/dpkg/status", "".join(entry.format(number) for number in range(20_010)))
    assert len(inventory_software.installed(root)["dpkg"]) == inventory_software.MAX_SOFTWARE


# --- disks -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**60))
def test_free_bytes_are_told_in_steps_of_a_sixteenth_and_never_too_high(free: int) -> None:
    told = inventory_linux.in_steps(free)
    assert told <= free
    assert free - told < max(inventory_linux.LEAST_STEP_BYTES, free / 16 + 1)
    assert inventory_linux.in_steps(told) == told
