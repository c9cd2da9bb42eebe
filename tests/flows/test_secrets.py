"""Secrets on their way through a real Engine and a real agent: found nowhere but in the environment of the script."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from tests.flows.fleet import Agent, Fleet, until
from watchbill import variables

SECRET = 'hunter2+Ö/"quoted" \'n all'
KEY = "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG9w0\nBAQEFAASCAT8wggE7AgEA\n-----END KEY-----"
FORMS = [
    SECRET.encode(),
    base64.b64encode(SECRET.encode()),
    quote(SECRET, safe="").encode(),
    json.dumps(SECRET)[1:-1].encode(),
    *(line.encode() for line in KEY.splitlines()),
    base64.b64encode(KEY.encode())[:76],
]

# It shows its secrets as scripts do, by mistake or not: in one piece, in pieces, encoded, line by line, on both streams.
SHOWING = r"""
import base64, json, os, sys, time
from urllib.parse import quote
secret, key = os.environ["PASSWORD"], os.environ["KEY"]
raw = secret.encode()
print("plain", secret, flush=True)
for byte in b"split " + raw + b"\n":
    os.write(1, bytes([byte]))
for part in (raw[:5], raw[5:]):
    os.write(2, part)
    time.sleep(0.1)
print("\nbase64", base64.b64encode(raw).decode())
print("url", quote(secret, safe=""))
print("json", json.dumps(secret))
for line in key.splitlines():
    print("line", line)
print(base64.encodebytes(key.encode()).decode())
print("region", os.environ["REGION"], os.environ.get("STRANGE"), flush=True)
while os.path.exists(os.environ["HOLD"]):
    time.sleep(0.02)
print("last", secret)
sys.exit(3)
"""
DECLARED = [
    {"name": "PASSWORD", "type": "secret", "required": True},
    {"name": "KEY", "type": "secret", "required": True},
    {"name": "REGION", "type": "string", "default": "nowhere"},
    {"name": "HOLD", "type": "string", "required": True},
]


async def give(fleet: Fleet, name: str, value: object, **more: object) -> dict[str, object]:
    reply = await fleet.http.post("/api/variables", json={"name": name, "value": value, **more})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def dump(fleet: Fleet) -> bytes:
    """Every row of every table, as a dump would write it: texts as they are, bytes decoded."""
    found = []
    async with fleet.db.begin() as tx:
        tables = await tx.execute(
            text(
                "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            )
        )
        for (table,) in tables.all():
            for row in (await tx.execute(text(f"SELECT * FROM {table}"))).all():
                found += [bytes(one) if isinstance(one, bytes | memoryview) else _plain(one) for one in row]
    return b"\n".join(found)


def _plain(value: object) -> bytes:
    """As it is, and as JSON within JSON would have it."""
    return f"{value}\n{json.dumps(value, default=str, ensure_ascii=False)}".encode()


def on_disk(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def command_lines() -> bytes:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            continue
    return b"\n".join(found)


def shown(where: bytes) -> list[bytes]:
    return [form for form in FORMS if form in where]


async def log_of(agent: Agent) -> bytes:
    return (agent.data_dir.parent / f"{agent.data_dir.name}.log").read_bytes()


async def test_nothing_of_a_secret_is_found_anywhere(
    fleet: Fleet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    agent = await fleet.enrol("alpha")
    hold = tmp_path / "hold"
    hold.touch()
    script = await fleet.script(SHOWING, interpreter="python", variables=DECLARED)
    await give(fleet, "PASSWORD", "of the site, unused", site_id=fleet.site["id"], is_secret=True)
    await give(fleet, "PASSWORD", SECRET, device_id=agent.device_id, is_secret=True)
    await give(fleet, "STRANGE", "not declared")
    job = await fleet.job(script, agent, component={"variables": {"KEY": KEY, "HOLD": str(hold)}})
    await fleet.in_state(job, "running")

    async def has_shown() -> bool:
        return "region" in await fleet.output(await fleet.row(job))

    await until(has_shown)
    assert shown(command_lines()) == []
    assert shown(on_disk(agent.data_dir)) == []
    hold.unlink()
    await fleet.closed(job)
    row = await fleet.row(job)
    said = await fleet.output(row)
    assert said.splitlines()[:5] == ["plain ***", "split ***", "", "base64 ***", "url ***"]
    assert 'json "***"' in said
    assert said.count("line ***") == 4
    assert "region nowhere None" in said
    assert (row["exit_code"], row["last_line"]) == (3, "***")
    assert await fleet.output(row, "stderr") == "***"
    assert row["executions"][0]["stdout_bytes"] == len(said.encode())

    kept = await dump(fleet)
    assert b"split ***" in kept, "the dump reads output"
    assert b"wb1.k1." in kept, "the dump reads what is sealed"
    assert shown(kept) == []
    assert shown(on_disk(agent.data_dir)) == []
    assert shown(await log_of(agent)) == []
    out, err = capfd.readouterr()
    assert shown((out + err).encode()) == []


async def test_the_nearer_value_wins_and_it_is_told_which_one_ran(fleet: Fleet) -> None:
    near, far = await fleet.enrol("near"), await fleet.enrol("far")
    names = ["JOB", "DEVICE", "SITE", "ALL", "DEFAULT"]
    declared = [{"name": name, "type": "string", "default": "assembly"} for name in names]
    script = await fleet.script('echo "$JOB $DEVICE $SITE $ALL $DEFAULT"', variables=declared)
    for name in names[:4]:
        await give(fleet, name, "everything")
    for name in names[:3]:
        await give(fleet, name, "site", site_id=fleet.site["id"])
    for name in names[:2]:
        await give(fleet, name, "device", device_id=near.device_id)
    job = await fleet.job(script, near, far, component={"variables": {"JOB": "job"}})
    await fleet.closed(job)
    rows = {row["device"]["id"]: row for row in await fleet.rows(job)}
    assert await fleet.output(rows[near.device_id]) == "job device site everything assembly\n"
    assert await fleet.output(rows[far.device_id]) == "job site site everything assembly\n"
    execution = rows[near.device_id]["executions"][0]["id"]
    told = (await fleet.http.get(f"/api/executions/{execution}/variables")).json()["items"]
    assert [(one["name"], one["source"], one["value"], one["revision"]) for one in told] == [
        ("JOB", "job", "job", None),
        ("DEVICE", "device", "device", 1),
        ("SITE", "site", "site", 1),
        ("ALL", "everything", "everything", 1),
        ("DEFAULT", "assembly", "assembly", None),
    ]


async def test_a_device_that_lacks_a_required_value_is_skipped_and_says_which(fleet: Fleet) -> None:
    has, lacks = await fleet.enrol("has"), await fleet.enrol("lacks")
    declared = [{"name": "REGION", "type": "string", "required": True}]
    script = await fleet.script('echo "$REGION"', variables=declared)
    made = await give(fleet, "REGION", "north", device_id=has.device_id)
    job = await fleet.job(script, has, lacks)
    await fleet.closed(job)
    rows = {row["device"]["id"]: row for row in await fleet.rows(job)}
    assert rows[has.device_id]["state"] == "success"
    left_out = rows[lacks.device_id]
    assert (left_out["state"], left_out["reason"], left_out["executions"]) == ("skipped", "preflight_failed", [])
    assert left_out["detail"].startswith("REGION: required")
    preview = (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}/preview")).json()["targets"]
    assert (preview["devices"], preview["left_out"], preview["lacking"]) == (1, {"preflight_failed": 1}, {"REGION": 1})
    assert (await fleet.http.delete(f"/api/variables/{made['id']}")).status_code == 204
    told = (await fleet.http.get(f"/api/executions/{rows[has.device_id]['executions'][0]['id']}/variables")).json()
    assert told["items"][0]["value"] == "north", "what ran stays told"


async def test_a_device_whose_agent_has_told_no_key_gets_no_secret(fleet: Fleet) -> None:
    agent = await fleet.enrol("old")
    async with fleet.db.begin() as tx:
        await tx.execute(text("UPDATE devices SET sealing_key = NULL"))
    script = await fleet.script("echo ran", variables=[{"name": "PASSWORD", "type": "secret", "required": True}])
    job = await fleet.job(script, agent, component={"variables": {"PASSWORD": SECRET}})
    await fleet.closed(job)
    row = await fleet.row(job)
    assert (row["state"], row["reason"], row["executions"]) == ("skipped", "preflight_failed", [])
    assert "update the agent" in row["detail"]
    # An optional secret is known only at the hand-out.
    optional = await fleet.script("echo ran", variables=[{"name": "TOKEN", "type": "secret"}])
    await give(fleet, "TOKEN", SECRET, is_secret=True)
    later = await fleet.job(optional, agent)
    await fleet.closed(later)
    row = await fleet.row(later)
    assert (row["state"], row["reason"]) == ("skipped", "preflight_failed")
    assert "update the agent" in row["detail"]
    # The next token brings the key back.
    await agent.stop()
    await agent.start()
    await until(lambda: fleet.is_online(agent))

    async def has_key() -> bool:
        async with fleet.db.begin() as tx:
            return bool((await tx.execute(text("SELECT sealing_key IS NOT NULL FROM devices"))).scalar_one())

    await until(has_key)
    again = await fleet.job(optional, agent)
    assert (await fleet.closed(again))["outcome"] == "success"


async def test_a_stored_value_is_sealed_again_under_the_new_key(fleet: Fleet) -> None:
    await give(fleet, "PASSWORD", SECRET, is_secret=True)
    ring = fleet.keys
    rotated = type(ring)("k2", {**ring.keys, "k2": bytes(range(32))})
    async with fleet.db.begin() as tx:
        assert await variables.reseal(tx, rotated) == 1
        assert await variables.reseal(tx, rotated) == 0
    only_new = type(ring)("k2", {"k2": bytes(range(32))})
    async with fleet.db.begin() as tx:
        (envelope, variable) = (await tx.execute(text("SELECT sealed, variable_id FROM variable_values"))).one()
    assert only_new.open_text(envelope, f"variable:{variable}").reveal() == SECRET
