"""What devices tell about themselves, believed only in part."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.factories.places import make_device, make_site
from watchbill.devices import inventory
from watchbill.devices.inventory import BadInventoryError, normalised
from watchbill.devices.tables import devices
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
    "packages": [{"name": "bash", "version": "5.2"}],
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
reports = st.dictionaries(
    st.sampled_from(["hostname", "os", "arch", "agent_version", "interpreters", "timezone"]) | st.text(max_size=5),
    json_values,
    max_size=8,
)


def test_the_columns_are_drawn_out_of_a_report():
    one = normalised("sha256:0", REPORT)
    assert (one.hostname, one.os_family, one.os_name, one.os_version) == ("web-1", "linux", "Debian GNU/Linux", "12")
    assert (one.arch, one.agent_version, one.interpreters) == ("x86_64", "0.1.0", ("bash", "python"))
    assert (one.timezone, one.inventory) == ("Europe/Berlin", REPORT)


def test_the_agents_own_report_of_this_machine_is_understood():
    one = normalised("sha256:0", json.loads(json.dumps(inventory_linux.collect())))
    assert one.os_family == "linux"
    assert one.interpreters is not None and "bash" in one.interpreters
    assert all((one.hostname, one.os_name, one.os_version, one.arch, one.agent_version))


@given(reports)
def test_any_report_is_either_refused_or_storable(report: dict[str, object]):
    try:
        one = normalised("sha256:0", report)
    except BadInventoryError:
        return
    stored = json.dumps(one.inventory, allow_nan=False)
    assert "\\u0000" not in stored
    stored.encode()
    for text in (one.hostname, one.os_name, one.os_version, one.arch, one.agent_version):
        assert text is None or (0 < len(text) <= 253 and "\0" not in text)
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
    assert normalised("d", {"timezone": told}).timezone is None


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
    assert normalised("d", {"interpreters": ["bash", "rm -rf", 7, None, "Python"]}).interpreters == ("bash",)
    assert normalised("d", {"interpreters": "bash"}).interpreters is None
    assert normalised("d", {"interpreters": {}}).interpreters == ()


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
