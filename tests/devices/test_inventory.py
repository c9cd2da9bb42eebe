"""What devices tell about themselves, believed only in part."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.places import make_device, make_site
from watchbill.core.filter_version import version_key
from watchbill.devices import TagChange, change_tags, inventory, reported
from watchbill.devices.report import MAX_SOFTWARE, BadInventoryError, Software, normalised
from watchbill.devices.tables import device_software, devices
from watchbill.identity import ENGINE
from watchbill_agent import inventory_linux

REPORT = {
    "hostname": "web-1",
    "os": {"family": "linux", "name": "Debian GNU/Linux", "version": "12", "kernel": "6.1.0"},
    "arch": "x86_64",
    "timezone": "Europe/Berlin",
    "agent_version": "0.1.0",
    "interpreters": {
        "bash": {"path": "/bin/bash", "version": "5.2"},
        "python": {"path": "/usr/bin/python3"},
        "batch": None,
    },
    "device_type": "virtual",
    "agent_branch": "stable",
    "domain": "Example.COM.",
    "last_user": "ada",
    "addresses": [
        *({"interface": "eth0", "address": one} for one in ("10.0.0.7", "fe80::1", "2001:db8::7", "::ffff:10.0.0.7")),
        {"interface": "lo", "address": "127.0.0.1"},
    ],
    "cpu": {"model": "x", "count": 4},
    "memory_bytes": 8 * 2**30,
    "disk_free_bytes": 3 * 2**30,
    "software": {"dpkg": [["bash", "5.2-1"]]},
}
FIELDS = [
    "hostname",
    "os",
    "arch",
    "agent_version",
    "interpreters",
    "timezone",
    "device_type",
    "agent_branch",
    "domain",
]
FIELDS += ["last_user", "addresses", "cpu", "memory_bytes", "disk_free_bytes", "disks", "software", "packages"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
reports = st.dictionaries(
    st.sampled_from(FIELDS) | st.text(max_size=5),
    json_values | st.sampled_from([one for name, one in REPORT.items() if name in FIELDS]),
    max_size=8,
)


def test_the_columns_are_drawn_out_of_a_report():
    report = normalised("sha256:0", REPORT)
    one = report.facts
    assert (one.hostname, one.os_family, one.os_name, one.os_version) == ("web-1", "linux", "Debian GNU/Linux", "12")
    assert (one.arch, one.agent_version, one.interpreters) == ("x86_64", "0.1.0", ("bash", "python"))
    assert (one.timezone, one.device_type, one.agent_branch) == ("Europe/Berlin", "virtual", "stable")
    assert (one.domain, one.last_user) == ("example.com", "ada")
    assert one.internal_addresses == ("10.0.0.7", "2001:db8::7")
    assert (one.cpu_count, one.ram_bytes, one.disk_free_bytes) == (4, 8 * 2**30, 3 * 2**30)
    assert report.software == frozenset({("dpkg", "bash", "5.2-1")})
    assert report.inventory == {name: value for name, value in REPORT.items() if name != "software"}
    assert report.dropped == ()


def test_the_agents_own_report_of_this_machine_is_understood():
    report = normalised("sha256:0", json.loads(json.dumps(inventory_linux.collect("stable"))))
    assert report.dropped == ()
    one = report.facts
    assert one.os_family == "linux"
    assert one.interpreters is not None and "bash" in one.interpreters
    assert all((one.hostname, one.os_name, one.os_version, one.arch, one.agent_version))


@given(reports)
def test_any_report_is_either_refused_or_storable(report: dict[str, object]):
    try:
        told = normalised("sha256:0", report)
    except BadInventoryError:
        return
    one = told.facts
    stored = json.dumps([told.inventory, sorted(told.software or ())], allow_nan=False)
    assert "\\u0000" not in stored
    stored.encode()
    for fact in (one.hostname, one.os_name, one.os_version, one.arch, one.agent_version):
        assert fact is None or (0 < len(fact) <= 253 and "\0" not in fact)
    assert one.os_family in (None, "linux", "windows", "macos")


@pytest.mark.parametrize("digest", ["", "a b", "x" * 129, None, 7, "ä"])
def test_a_digest_that_is_none_is_refused(digest):
    with pytest.raises(BadInventoryError, match="digest"):
        normalised(digest, REPORT)


@pytest.mark.parametrize("report", [[], "text", None, {"x": float("nan")}, {"x": object()}])
def test_what_is_no_json_object_is_refused(report):
    with pytest.raises(BadInventoryError):
        normalised("sha256:0", report)


def test_a_report_beyond_a_mebibyte_or_too_deep_is_refused():
    with pytest.raises(BadInventoryError, match="at most"):
        normalised("sha256:0", {"x": "y" * (1024 * 1024)})
    deep: dict[str, object] = {}
    for _ in range(30):
        deep = {"x": deep}
    with pytest.raises(BadInventoryError, match="nested"):
        normalised("sha256:0", deep)


@pytest.mark.parametrize("told", ["Europe/Atlantis", "europe/berlin", "CET-1CEST", "../zones", "", 7, None, ["UTC"]])
def test_a_zone_that_the_pinned_rules_lack_counts_as_not_told(told):
    assert normalised("d", {"timezone": told}).facts.timezone is None


async def test_the_zone_is_kept_as_last_told(db, clock):
    told = ["Europe/Berlin", "America/St_Johns", "Mars/Olympus", "Asia/Kolkata", None]
    stored = []
    async with db.begin() as tx:
        now = await clock.now(tx)
        device = await make_device(tx, "laptop", await make_site(tx, "Harbour", now=now), now=now)
        for number, zone in enumerate(told):
            await inventory.record(tx, [(device, f"d{number}", {"timezone": zone} if zone else {})], now)
            stored.append((await tx.execute(select(devices.c.timezone).where(devices.c.id == device))).scalar_one())
    assert stored == ["Europe/Berlin", "America/St_Johns", None, "Asia/Kolkata", None]


def test_names_of_no_interpreter_are_dropped():
    assert normalised("d", {"interpreters": ["bash", "rm -rf", 7, None, "Python"]}).facts.interpreters == ("bash",)
    assert normalised("d", {"interpreters": "bash"}).facts.interpreters is None
    assert normalised("d", {"interpreters": {}}).facts.interpreters == ()


async def test_a_batch_is_stored_and_each_refused_report_is_told(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        site = await make_site(tx, "Harbour", now=now)
        one, two = [await make_device(tx, name, site, now=now) for name in ("a", "b")]
        gone = uuid.uuid4()
        nasty = {**REPORT, "hostname": "ok\0", "users": ["a\0b", "\ud800"]}
        refused = await inventory.record(
            tx, [(one, "d1", REPORT), (two, "", REPORT), (gone, "d", REPORT), (one, "d2", nasty)], now
        )
        rows = {row.id: row for row in await tx.execute(select(devices))}
    assert refused == {two: "the digest must be 1 to 128 visible ASCII characters"}
    assert (rows[one].inventory_digest, rows[one].hostname) == ("d2", "a")  # an unusable name keeps the known one
    assert rows[one].inventory["users"] == ["a\ufffdb", "\ufffd"]
    assert (rows[one].interpreters, rows[one].inventory_at) == (["bash", "python"], now)
    assert (rows[two].inventory_digest, rows[two].interpreters) == (None, None)


# --- software ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            {"packages": [{"name": "bash", "version": "5.2", "source": "dpkg", "arch": "amd64"}]},
            {("dpkg", "bash", "5.2")},
        ),
        ({"packages": [{"name": "bash"}, {"version": "1"}, 7, None]}, {("other", "bash", "")}),
        (
            {"software": {"dpkg": [["a", "1"], ["a", "1"], ["b"], ["c", 1], "d"], "RPM!": [["e", "1"]]}},
            {("dpkg", "a", "1")},
        ),
        ({"software": {"dpkg": "none", "rpm": [[" a ", " 1 "], ["tab\there", "1"], ["", "1"]]}}, {("rpm", "a", "1")}),
        ({"software": []}, None),
        ({"packages": "many"}, None),
        ({}, None),
        ({"software": {}}, frozenset()),
    ],
)
def test_software_is_read_item_by_item(report: dict[str, object], expected: set[Software] | None):
    assert normalised("d", report).software == expected


def test_what_cannot_be_read_is_named():
    report = {"software": {"dpkg": [["a"], 7]}, "os": {"family": "beos"}, "cpu": {"count": -1}, "domain": "a b"}
    assert normalised("d", report).dropped == ("os.family", "domain", "cpu.count", "software: 2 that cannot be read")


def test_software_is_bounded_and_what_is_beyond_is_counted():
    report = {"software": {"dpkg": [[f"p{number}", "1"] for number in range(MAX_SOFTWARE + 5)]}}
    one = normalised("d", report)
    assert one.software is not None
    assert (len(one.software), one.dropped) == (MAX_SOFTWARE, ("software: 5 beyond 20000",))


def test_the_digest_of_software_does_not_depend_on_its_order():
    items = [["a", "1"], ["b", "2"]]
    there, back = (normalised("d", {"software": {"dpkg": one}}) for one in (items, items[::-1]))
    assert there.software_digest() == back.software_digest() is not None
    assert normalised("d", {}).software_digest() is None


# --- writing only what changed -----------------------------------------------------------------------------------------


async def stored(tx, device):
    return (await tx.execute(select(devices).where(devices.c.id == device))).one()


async def software(tx, device):
    query = select(device_software, text("xmin::text AS written_by")).where(device_software.c.device_id == device)
    return {row.name: row for row in await tx.execute(query)}


@pytest.fixture
async def device(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        return await make_device(tx, "web-1", await make_site(tx, "Harbour", now=now), now=now)


async def tell(db, clock, device, digest, **changes):
    """One check-in, in a transaction of its own."""
    async with db.begin() as tx:
        assert await inventory.record(tx, [(device, digest, {**REPORT, **changes})], await clock.now(tx)) == {}
    async with db.begin() as tx:
        return await stored(tx, device), await software(tx, device)


async def test_a_report_that_is_stored_already_writes_nothing(db, clock, device):
    first, _ = await tell(db, clock, device, "d1")
    again, _ = await tell(db, clock, device, "d1")
    assert again == first
    assert first.inventory_revision == 1


async def test_what_no_filter_sees_leaves_the_revision_as_it_is(db, clock, device):
    await tell(db, clock, device, "d1")
    after, rows = await tell(db, clock, device, "d2", boot_id="another")
    assert (after.inventory_revision, after.inventory_digest, after.inventory["boot_id"]) == (1, "d2", "another")
    assert list(rows) == ["bash"]


@pytest.mark.parametrize(
    "change",
    [
        {"last_user": "bob"},
        {"disk_free_bytes": 2**30},
        {"device_type": None},
        {"addresses": []},
        {"software": {"dpkg": [["bash", "5.3-1"]]}},
        {"software": {}},
        {"os": {"family": "linux", "name": "Debian GNU/Linux", "version": "13"}},
    ],
)
async def test_what_a_filter_sees_makes_the_revision_grow_by_one(db, clock, device, change):
    await tell(db, clock, device, "d1")
    after, _ = await tell(db, clock, device, "d2", **change)
    assert after.inventory_revision == 2


async def test_only_software_that_changed_is_written(db, clock, device):
    _, before = await tell(db, clock, device, "d1", software={"dpkg": [["bash", "1"], ["curl", "1"], ["Vim", "1"]]})
    _, after = await tell(db, clock, device, "d2", software={"dpkg": [["bash", "1"], ["curl", "2"], ["nano", "1"]]})
    assert before["Vim"].name_key == "vim"
    assert after.keys() == {"bash", "curl", "nano"}
    assert after["bash"].written_by == before["bash"].written_by
    assert (after["curl"].version, after["curl"].version_key) == ("2", version_key("2"))


async def test_software_that_is_not_told_stays_and_facts_that_are_not_told_are_unknown(db, clock, device):
    await tell(db, clock, device, "d1")
    after, rows = await tell(db, clock, device, "d2", software=None, domain=None, hostname=None, cpu="?")
    assert list(rows) == ["bash"]
    assert (after.domain, after.cpu_count, after.hostname) == (None, None, "web-1")


async def test_a_large_batch_takes_as_many_statements_as_a_small_one(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        site = await make_site(tx, "Harbour", now=now)
        made = [await make_device(tx, f"d{number}", site, now=now) for number in range(40)]
    counts = []
    for number, batch in enumerate((made[:1], made)):
        reports = [(one, f"d{number}", {**REPORT, "software": {"dpkg": [["a", str(number)]]}}) for one in batch]
        async with db.begin() as tx:
            with statements(tx) as seen:
                await inventory.record(tx, reports, now)
        counts.append(len(seen))
        async with db.begin() as tx:
            rows = (
                await tx.execute(select(device_software.c.version).where(device_software.c.device_id.in_(batch)))
            ).scalars()
            assert rows.all() == [str(number)] * len(batch)
    assert counts[0] + 1 == counts[1] == 5  # the first had nothing to remove


async def test_reports_of_devices_that_are_gone_are_let_go(db, clock):
    async with db.begin() as tx:
        assert await inventory.record(tx, [(uuid.uuid4(), "d", REPORT)], await clock.now(tx)) == {}


async def test_a_batch_of_results_without_settings_or_inventories_asks_the_database_nothing(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        with statements(tx) as seen:
            await reported(tx, [], [], now)
    assert seen == []


async def test_reports_and_a_change_of_tags_over_the_same_devices_do_not_wait_for_each_other_for_ever(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        site = await make_site(tx, "Harbour", now=now)
        made = [await make_device(tx, f"d{number}", site, now=now) for number in range(20)]

    async def report(number: int) -> None:
        async with db.begin() as tx:
            await reported(tx, [(one, f"r{number}", {**REPORT, "boot_id": number}) for one in made], [], now)

    async def tag(number: int) -> None:
        async with db.begin() as tx:
            await change_tags(tx, ENGINE, TagChange(made[::-1], [f"t{number}"]), now=now)

    await asyncio.gather(*(one(number) for number in range(3) for one in (report, tag)))
    async with db.begin() as tx:
        # Each change of tags, and the first report; the others differ where no filter looks.
        assert set((await tx.execute(select(devices.c.inventory_revision))).scalars()) == {4}


async def test_the_devices_that_have_something_are_found_by_its_index(db, clock, device):
    await tell(db, clock, device, "d1", software={"dpkg": [[f"p{number}", "1"] for number in range(2000)]})
    async with db.begin() as tx:
        await tx.execute(text("ANALYZE device_software"))
        query = text("EXPLAIN SELECT device_id FROM device_software WHERE name_key = 'p7' AND version_key >= :key")
        plan = "\n".join((await tx.execute(query, {"key": version_key("1")})).scalars())
    assert "Index Only Scan using device_software_name" in plan


@contextmanager
def statements(tx: AsyncConnection) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_more):
        seen.append(statement)

    event.listen(tx.sync_connection, "before_cursor_execute", note)
    yield seen
    event.remove(tx.sync_connection, "before_cursor_execute", note)
