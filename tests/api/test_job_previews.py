"""Previews through HTTP: the scheduler's own instants with flags, waves and windows, and what stands in a job's way."""

from datetime import timedelta

from sqlalchemy import text

from tests.api.jobs import PATH, create, definition_of, device, job


async def test_a_preview_of_an_unsaved_job_saves_nothing(operator, viewer, fleet, make_device, world):
    disabled = str(await make_device("old", world.site_a, status="disabled"))
    body = job(
        fleet,
        targets=[device(one) for one in (fleet["crane"], fleet["pump"], disabled)],
        schedule={"type": "daily", "start": "2027-03-27T02:30", "timezone": "Europe/Berlin"},
    )
    reply = await operator.post(f"{PATH}/preview", json=body)
    shown = reply.json()
    assert reply.status_code == 200
    assert shown["blockers"] == []
    assert len(shown["instants"]) == 10
    assert shown["instants"][0] == {
        "at": "2027-03-27T01:30:00Z", "local": "2027-03-27T02:30", "offset": "+01:00", "flags": [], "passed_over": [],
        "blocked": [], "closed_devices": 0, "first_start_at": None, "last_start_at": None, "splay_seconds": 0,
    }  # fmt: skip
    assert shown["instants"][1]["flags"] == ["shifted_gap"]
    assert shown["instants"][1]["local"] == "2027-03-28T03:30"
    assert shown["targets"] == {
        "devices": 2,
        "online": 1,
        "offline": 1,
        "left_out": {"device_disabled": 1},
        "lacking": {},
        "awaiting_user": 0,
    }
    assert shown["steps"] == ["1. Run `Clean up`."]
    assert (await viewer.get(PATH)).json()["items"] == []


async def test_a_preview_reads_the_names_of_a_file(operator, admin, fleet, world):
    site = (await admin.get(f"/api/sites/{world.site_a}")).json()["name"]
    by_id = job(fleet, targets=[device(fleet["crane"]), device(fleet["pump"])])
    assembly = (await operator.get(f"/api/assemblies/{by_id['components'][0]['assembly_id']}")).json()["name"]
    named = {
        **by_id,
        "components": [{"assembly": assembly, "variables": by_id["components"][0]["variables"]}],
        "targets": [{"kind": "device", "hostname": "crane"}, {"kind": "device", "hostname": "pump", "site": site}],
    }
    expected = (await operator.post(f"{PATH}/preview", json=by_id)).json()
    assert (await operator.post(f"{PATH}/preview", json=named)).json() == expected
    assert (await operator.post(f"{PATH}/preview", json={**named, "targets": [{"kind": "site", "site": site}]})).json()[
        "targets"
    ]["devices"] >= 2
    wrong = {**named, "components": [{"assembly": "No such"}], "exclusions": [{"kind": "filter", "filter": "None"}]}
    shown = (await operator.post(f"{PATH}/preview", json=wrong)).json()
    assert {one["field"]: one["code"] for one in shown["blockers"]} == {
        "components.0.assembly": "assembly_not_found", "exclusions.0.filter": "filter_not_found",
    }  # fmt: skip


async def test_a_preview_shows_what_it_can_and_names_what_blocks(operator, fleet):
    body = job(fleet, name="", components=[], schedule={"type": "hourly"}, targets=[device(fleet["pump"]), device("x")])
    shown = (await operator.post(f"{PATH}/preview", json=body)).json()
    assert {one["field"]: one["code"] for one in shown["blockers"]} == {
        "name": "length", "components": "length", "targets.1.device_id": "wrong_type",
    }  # fmt: skip
    assert len(shown["instants"]) == 10
    assert shown["targets"]["offline"] == 1
    nothing = (await operator.post(f"{PATH}/preview", json={})).json()
    assert (nothing["schedule_text"], nothing["instants"]) == (None, [])
    assert {one["field"] for one in nothing["blockers"]} == {"name", "components", "targets", "schedule"}
    assert (await operator.post(f"{PATH}/preview", json=[])).json()["blockers"]


async def test_a_preview_of_a_saved_job_says_why_it_would_not_run(operator, viewer, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}"
    shown = (await viewer.get(f"{path}/preview")).json()
    assert shown["blockers"] == []
    assert shown["instants"][0]["at"] == made["next_due_at"]
    assert shown["schedule_text"] == made["schedule_text"]
    await operator.post(f"{path}/toggle", json={"enabled": False})
    assert [one["code"] for one in (await viewer.get(f"{path}/preview")).json()["blockers"]] == ["paused"]


async def test_a_preview_tells_when_the_waves_of_a_wall_clock_start(operator, fleet, db):
    async with db.begin() as tx:
        for name, zone in (("crane", "Asia/Tokyo"), ("pump", "America/Denver")):
            await tx.execute(text("UPDATE devices SET timezone = :z WHERE hostname = :n"), {"z": zone, "n": name})
    schedule = {"type": "daily", "start": "2030-01-31T03:00", "timezone_source": "device"}
    shown = (await operator.post(f"{PATH}/preview", json=job(fleet, schedule=schedule))).json()
    first = shown["instants"][0]
    assert (first["local"], first["offset"], first["blocked"]) == ("2030-01-31T03:00", None, [])
    assert (first["first_start_at"], first["last_start_at"]) == ("2030-01-30T18:00:00Z", "2030-01-31T10:00:00Z")
    made = await create(operator, fleet, schedule=schedule)
    assert made["next_due_at"] == first["first_start_at"]
    assert made["schedule"] == schedule | {"end": None, "count": None}
    again = (await operator.get(f"{PATH}/{made['id']}/preview")).json()
    assert again["instants"] == shown["instants"]


async def test_a_preview_cuts_a_splay_before_the_next_instant(operator, fleet):
    often = {"type": "cron", "expression": "0,50 * * * *"}
    shown = (
        await operator.post(f"{PATH}/preview", json=job(fleet, schedule=often, policies={"splay_seconds": 1200}))
    ).json()
    assert shown["blockers"] == []
    assert {(one["local"][-2:], one["splay_seconds"]) for one in shown["instants"]} == {("00", 1200), ("50", 599)}


async def test_a_preview_names_the_window_that_closes_an_instant(admin, operator, fleet):
    blackout = {
        "name": "Freeze",
        "kind": "deny",
        "spans": [{"schedule": {"type": "once", "start": "2030-01-31T00:00"}, "duration_seconds": 86400}],
        "attachments": [{"kind": "global"}],
        "when_closed": "skip",
    }
    assert (await admin.post("/api/windows", json=blackout)).status_code == 201
    made = await create(operator, fleet, schedule={"type": "daily", "start": "2030-01-31T03:00"})
    first, second = (await operator.get(f"{PATH}/{made['id']}/preview")).json()["instants"][:2]
    assert first["flags"] == ["in_blackout"]
    assert first["blocked"] == [{"window": "Freeze", "kind": "deny", "devices": 2}]
    assert (second["flags"], second["blocked"]) == ([], [])


async def close(admin, name, attachments, **changes):
    span = {"schedule": {"type": "daily", "start": "2026-01-01T00:00", "timezone": "UTC"}, "duration_seconds": 86_400}
    window = {"name": name, "kind": "deny", "spans": [span], "attachments": attachments, **changes}
    reply = await admin.post("/api/windows", json=window)
    assert reply.status_code == 201, reply.text


def soon_over(now):
    """A stretch that ends within the hour or so: what waits for its end is in time."""
    begin = (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    return [{"schedule": {"type": "once", "start": begin, "timezone": "UTC"}, "duration_seconds": 7_200}]


async def test_what_starts_at_once_against_a_window_is_saved_with_a_warning_that_says_what_becomes_of_it(
    admin, operator, fleet, db, clock
):
    async with db.begin() as tx:
        now = await clock.now(tx)
    crane, pump = ([{"kind": "device", "device_id": fleet[one]}] for one in ("crane", "pump"))
    await close(admin, "Stocktaking", crane)
    await close(admin, "Fair", pump, spans=soon_over(now), when_closed="defer")
    body = job(fleet, schedule={"type": "immediately"})
    blockers = (await operator.post(f"{PATH}/preview", json=body)).json()["blockers"]
    made = await create(operator, fleet, schedule={"type": "immediately"})
    assert made["warnings"] == blockers
    assert {(one["field"], one["code"]) for one in blockers} == {("schedule.type", "window_closed")}
    first, second = sorted(one["message"] for one in blockers)
    assert first.startswith("1 device cannot start now: blackout `Fair` until ")
    assert "it waits and starts " in first
    assert second.startswith("1 device cannot start now: blackout `Stocktaking`")
    assert "it is left out" in second
    assert all("rerun" in one["message"] and "`windows:override`" in one["message"] for one in blockers)
    assert made["last_occurrence"]["state"] == "open"
    saved = (await operator.get(f"{PATH}/{made['id']}")).json()
    assert saved["warnings"] == [], "it was said once"
    assert (await operator.get(f"{PATH}/{made['id']}/preview")).json()["blockers"] == [], "it has started"


async def test_an_edit_that_starts_the_job_at_once_warns_as_well(admin, operator, fleet, world):
    made = await create(operator, fleet)
    assert made["warnings"] == []
    await close(admin, "Stocktaking", [{"kind": "site", "site_id": world.site_a}])
    reply = await operator.put(f"{PATH}/{made['id']}", json=job(fleet, schedule={"type": "immediately"}))
    assert reply.status_code == 200
    (warning,) = reply.json()["warnings"]
    assert warning["message"].startswith("2 devices cannot start now: blackout `Stocktaking`")
    assert "they are left out" in warning["message"]


async def test_what_does_not_start_at_once_or_is_open_has_no_warning(admin, operator, fleet, world):
    at_once = {"schedule": {"type": "immediately"}}
    assert (await create(operator, fleet, **at_once))["warnings"] == []
    await close(admin, "Stocktaking", [{"kind": "site", "site_id": world.site_a}])
    assert (await create(operator, fleet))["warnings"] == []
    assert (await create(operator, fleet, **at_once, enabled=False))["warnings"] == []
    elsewhere = await create(admin, fleet, **at_once, targets=[{"kind": "device", "device_id": fleet["lamp"]}])
    assert elsewhere["warnings"] == []
    for body in (job(fleet), job(fleet, **at_once, enabled=False)):
        assert (await operator.post(f"{PATH}/preview", json=body)).json()["blockers"] == []


async def test_a_preview_tells_the_steps_of_a_job_in_words(operator, fleet):
    part = job(fleet)["components"][0]
    body = job(
        fleet,
        components=[{**part, "role": "check"}, part],
        execution_context="current_user",
        policies={"retries": 1},
    )
    shown = (await operator.post(f"{PATH}/preview", json=body)).json()
    assert len(shown["steps"]) == 6
    made = await create(
        operator, fleet, **{name: body[name] for name in ("components", "execution_context", "policies")}
    )
    assert (await operator.get(f"{PATH}/{made['id']}/preview")).json()["steps"] == shown["steps"]
    bad = {
        **body,
        "policies": {"retries": "x", "no_user_session": "ask", "retry_on": ["lost"]},
        "execution_context": "x",
    }
    assert len((await operator.post(f"{PATH}/preview", json=bad)).json()["steps"]) >= 2


async def test_a_preview_of_an_edit_keeps_the_secrets_of_its_job_and_minds_its_windows(admin, operator, fleet):
    made = await create(operator, fleet, schedule={"type": "daily", "start": "2030-01-31T03:00"})
    body = {**definition_of(made), "name": "Clear both print spools"}
    alone = (await operator.post(f"{PATH}/preview", json=body)).json()
    assert {one["field"]: one["code"] for one in alone["blockers"]} == {
        "components.0.variables.Token": "secret_not_set"
    }
    edit = {"job_id": made["id"]}
    assert (await operator.post(f"{PATH}/preview", json=body, params=edit)).json()["blockers"] == []
    await close(admin, "Audit", [{"kind": "job", "job_id": made["id"]}])
    shown = (await operator.post(f"{PATH}/preview", json=body, params=edit)).json()
    assert shown["instants"][0]["flags"] == ["in_blackout"]
    assert shown["changed"] is None, "that is told of the job as it is saved"
    missing = await operator.post(f"{PATH}/preview", json=body, params={"job_id": 10**9})
    assert missing.status_code == 404


async def test_a_preview_of_an_edit_starts_nothing_that_its_save_would_not_start(admin, operator, fleet, world):
    made = await create(operator, fleet, schedule={"type": "immediately"})
    await close(admin, "Stocktaking", [{"kind": "site", "site_id": world.site_a}])
    body = {**definition_of(made), "name": "Clear once more"}
    edit = {"job_id": made["id"]}
    assert (await operator.post(f"{PATH}/preview", json=body, params=edit)).json()["blockers"] == []
    weekly = await create(operator, fleet)
    body = {**definition_of(weekly), "schedule": {"type": "immediately"}}
    shown = (await operator.post(f"{PATH}/preview", json=body, params={"job_id": weekly["id"]})).json()
    assert [one["code"] for one in shown["blockers"]] == ["window_closed"]
