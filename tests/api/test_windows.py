"""`/api/windows` as its callers meet it: replies, refusals, ETags, calendar files, previews and checks."""

import gc
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import World, codes
from watchbill.windows import looking, saving

SPAN = {
    "schedule": {"type": "weekly", "start": "2026-01-04T02:00", "timezone": "Europe/Berlin"},
    "duration_seconds": 7200,
}
ALWAYS = {"schedule": {"type": "daily", "start": "2026-01-01T00:00"}, "duration_days": 1}


def window(*attachments, **changes):
    named = list(attachments) or [{"kind": "global"}]
    return {"name": "Sunday maintenance", "kind": "allow", "spans": [SPAN], "attachments": named} | changes


def site(site_id):
    return {"kind": "site", "site_id": site_id}


async def made(client: httpx.AsyncClient, definition):
    reply = await client.post("/api/windows", json=definition)
    assert reply.status_code == 201, reply.text
    return reply.json()


@pytest.fixture
async def job(admin: httpx.AsyncClient, world: World, make_device):
    """A job on two devices of site A and one of site B."""
    names = [("crane", world.site_a), ("pump", world.site_a), ("lamp", world.site_b)]
    devices = {name: str(await make_device(name, site_id)) for name, site_id in names}
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    definition = {
        "name": "Nightly",
        "components": [{"assembly_id": assembly}],
        "targets": [{"kind": "device", "device_id": one} for one in devices.values()],
        "schedule": {"type": "daily", "start": "2030-01-01T03:00"},
    }
    reply = await admin.post("/api/scheduled_jobs", json=definition)
    assert reply.status_code == 201, reply.text
    return {"id": reply.json()["id"], **devices}


# --- save, read, delete -----------------------------------------------------------------------------------------------


async def test_a_window_is_made_read_and_found(admin, operator, world):
    reply = await admin.post("/api/windows", json=window(site(world.site_a)))
    saved = reply.json()
    assert reply.headers["location"] == f"/api/windows/{saved['id']}"
    assert reply.headers["etag"] == '"1"'
    assert saved["covers"] == ["site Harbour"]
    assert saved["span_texts"][0].startswith("Every Sunday at 02:00 (Europe/Berlin)")
    assert saved["span_texts"][0].endswith("for 2 hours")
    assert set(saved["current"]) == {"is_inside", "until_at"}
    seen = (await operator.get(f"/api/windows/{saved['id']}")).json()
    assert {**seen, "current": None} == {**saved, "current": None}
    assert [one["name"] for one in (await operator.get("/api/windows?kind=allow&q=sunday")).json()["items"]] == [
        "Sunday maintenance"
    ]
    assert (await operator.get("/api/windows?kind=deny")).json()["items"] == []


async def test_what_a_reply_says_of_the_definition_can_be_sent_back(admin, world):
    saved = await made(admin, window(site(world.site_a)))
    parts = ("name", "description", "kind", "zone_source", "spans", "when_closed", "cutoff_seconds", "stop_at_end")
    again = {name: saved[name] for name in (*parts, "enabled", "attachments")}
    reply = await admin.put(f"/api/windows/{saved['id']}", json=again)
    assert reply.status_code == 200, reply.text
    assert reply.json()["revision"] == 1


async def test_an_edit_of_an_older_revision_is_refused(admin, world):
    saved = await made(admin, window(site(world.site_a)))
    path = f"/api/windows/{saved['id']}"
    changed = window(site(world.site_a), name="Changed")
    first = await admin.put(path, json=changed, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    late = await admin.put(path, json=window(site(world.site_a)), headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "etag_mismatch")
    assert (await admin.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await admin.get(path)).json()["code"] == "window_not_found"


async def test_every_problem_comes_at_once(admin):
    reply = await admin.post("/api/windows", json={"kind": "deny", "spans": [{}], "cutoff_seconds": 5})
    assert reply.status_code == 422
    assert codes(reply) == {
        "name": "required",
        "spans.0.schedule": "required",
        "spans.0.duration_seconds": "required",
        "cutoff_seconds": "not_allowed",
        "attachments": "required",
    }


async def test_what_one_may_not_see_is_not_there_and_what_one_may_not_change_is_forbidden(
    admin, operator, other, viewer, world
):
    saved = await made(admin, window(site(world.site_a)))
    path = f"/api/windows/{saved['id']}"
    assert (await other.get(path)).status_code == 404
    assert (await other.delete(path)).status_code == 404
    assert (await viewer.get(path)).status_code == 200
    assert (await viewer.delete(path)).status_code == 403
    actions = (await viewer.get(path)).json()["allowed_actions"]
    assert [(one["action"], one["allowed"]) for one in actions] == [("update", False), ("delete", False)]
    assert (await operator.delete(path)).status_code == 204
    everywhere = await made(admin, window())
    refused = await operator.put(f"/api/windows/{everywhere['id']}", json=window())
    assert (refused.status_code, refused.json()["code"]) == (403, "window_spans_other_sites")
    foreign = await operator.post("/api/windows", json=window(site(world.site_b), name="Foreign"))
    assert codes(foreign) == {"attachments.0.site_id": "site_not_found"}


async def test_nobody_looks_without_signing_in(anonymous):
    for path in ("/api/windows", "/api/windows/1", "/api/windows/1/preview", "/api/windows/check?job_id=1"):
        assert (await anonymous.get(path)).status_code == 401


async def test_a_list_is_paged(admin):
    for name in ("b", "a", "c"):
        await made(admin, window(name=name))
    first = (await admin.get("/api/windows?limit=2")).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    second = (await admin.get("/api/windows", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ([one["name"] for one in second["items"]], second["next_cursor"]) == (["c"], None)
    assert (await admin.get("/api/windows?limit=2&cursor=x")).status_code == 422


async def test_a_list_counts_the_spans_and_names_the_first(admin):
    saved = await made(admin, window(spans=[SPAN] * 9))
    [row] = (await admin.get("/api/windows")).json()["items"]
    assert "spans" not in row
    assert row["span_count"] == 9
    assert row["span_texts"] == saved["span_texts"][:5]
    assert (row["covers"], row["allowed_actions"]) == (saved["covers"], saved["allowed_actions"])


# --- preview ----------------------------------------------------------------------------------------------------------


async def test_a_preview_tells_the_open_stretches(admin, world):
    saved = await made(admin, window(site(world.site_a)))
    params = {"from": "2026-03-20T00:00:00Z", "to": "2026-04-06T00:00:00Z"}
    reply = (await admin.get(f"/api/windows/{saved['id']}/preview", params=params)).json()
    assert reply["from_at"] == "2026-03-20T00:00:00Z"
    assert reply["zones"] == [
        {
            "timezone": "Europe/Berlin",
            "stretches": [
                {"starts_at": "2026-03-22T01:00:00Z", "ends_at": "2026-03-22T03:00:00Z"},
                {"starts_at": "2026-03-29T01:00:00Z", "ends_at": "2026-03-29T03:00:00Z"},
                {"starts_at": "2026-04-05T00:00:00Z", "ends_at": "2026-04-05T02:00:00Z"},
            ],
            "is_capped": False,
        }
    ]


async def test_on_the_clocks_of_sites_a_preview_has_each_zone_that_the_caller_sees(admin, operator, make_site, world):
    far = await make_site("Far", timezone="America/New_York")
    span = {"schedule": {"type": "daily", "start": "2026-01-01T02:00"}, "duration_seconds": 3600}
    saved = await made(admin, window(zone_source="site", spans=[span]))
    assert saved["current"] is None
    params = {"from": "2026-06-01T00:00:00Z", "to": "2026-06-02T00:00:00Z"}
    path = f"/api/windows/{saved['id']}/preview"
    zones = (await admin.get(path, params=params)).json()["zones"]
    starts = {one["timezone"]: one["stretches"][0]["starts_at"] for one in zones}
    assert starts == {"America/New_York": "2026-06-01T06:00:00Z", "UTC": "2026-06-01T02:00:00Z"}
    assert [one["timezone"] for one in (await operator.get(path, params=params)).json()["zones"]] == ["UTC"]
    assert (await operator.get(path, params=params | {"site_id": far})).status_code == 404
    assert len((await admin.get(path, params=params | {"site_id": far})).json()["zones"]) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-06-02T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
        {"from": "2026-06-02T00:00:00Z", "to": "2028-06-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"from": "yesterday"},
    ],
)
async def test_a_preview_has_bounds(admin, params):
    saved = await made(admin, window())
    assert (await admin.get(f"/api/windows/{saved['id']}/preview", params=params)).status_code == 422


async def test_a_preview_of_many_zones_is_cut_and_says_so(admin, make_site):
    """Each zone gets its share of what one preview may hold."""
    for hour in range(1, 13):
        await make_site(f"Site {hour}", timezone=f"Etc/GMT-{hour}")
    span = {"schedule": {"type": "hourly", "start": "2026-01-01T02:00"}, "duration_seconds": 600}
    saved = await made(admin, window(zone_source="site", spans=[span]))
    params = {"from": "2026-06-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}
    reply = (await admin.get(f"/api/windows/{saved['id']}/preview", params=params)).json()
    assert (len(reply["zones"]), reply["is_capped"]) == (10, True)
    assert [(len(one["stretches"]), one["is_capped"]) for one in reply["zones"]] == [(50, True)] * 10
    fixed = await made(admin, window(name="Fixed"))
    reply = (await admin.get(f"/api/windows/{fixed['id']}/preview", params=params)).json()
    assert (len(reply["zones"]), reply["is_capped"]) == (1, False)


async def test_a_preview_that_takes_too_long_is_refused(admin, monkeypatch):
    monkeypatch.setattr(looking, "PREVIEW_SECONDS", 0.02)
    rule = "FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7;BYMINUTE=1,2,3"
    schedules = [{"type": "rrule", "start": f"2026-01-01T00:{minute:02}", "rule": rule} for minute in range(20)]
    saved = await made(admin, window(spans=[{"schedule": one, "duration_seconds": 60} for one in schedules]))
    params = {"from": "2026-06-01T00:00:00Z", "to": "2027-06-01T00:00:00Z"}
    reply = await admin.get(f"/api/windows/{saved['id']}/preview", params=params)
    assert (reply.status_code, codes(reply)) == (422, {"to": "too_slow"})


# --- check ------------------------------------------------------------------------------------------------------------


async def test_a_check_says_why_not_and_when_next_for_each_group_of_devices(admin, operator, job, world):
    await made(admin, window(site(world.site_a), when_closed="defer"))
    params = {"job_id": job["id"], "at": "2026-11-25T12:00:00Z"}
    reply = (await admin.get("/api/windows/check", params=params)).json()
    assert (reply["at"], reply["is_open"]) == ("2026-11-25T12:00:00Z", False)
    closed, open_ = reply["groups"]
    assert (closed["devices"], closed["hostnames"]) == (2, ["crane", "pump"])
    assert closed["sentence"] == "outside `Sunday maintenance`, which opens 2026-11-29 02:00 Europe/Berlin"
    assert (closed["action"], closed["opens_at"]) == ("defer", "2026-11-29T01:00:00Z")
    assert (open_["devices"], open_["hostnames"], open_["is_open"]) == (1, ["lamp"], True)
    theirs = (await operator.get("/api/windows/check", params=params)).json()
    assert [one["devices"] for one in theirs["groups"]] == [2]
    one = (await admin.get("/api/windows/check", params={"device_id": job["lamp"]})).json()
    assert (one["is_open"], one["groups"][0]["devices"]) == (True, 1)


async def test_a_check_of_a_job_on_a_device_counts_the_windows_of_both(admin, job):
    await made(admin, window({"kind": "job", "job_id": job["id"]}, kind="deny", name="Freeze", spans=[ALWAYS]))
    params = {"job_id": job["id"], "device_id": job["crane"]}
    [group] = (await admin.get("/api/windows/check", params=params)).json()["groups"]
    assert (group["reason"], group["windows"], group["devices"]) == ("blackout", ["Freeze"], 1)
    [alone] = (await admin.get("/api/windows/check", params={"device_id": job["crane"]})).json()["groups"]
    assert alone["is_open"]


async def test_a_check_needs_somebody_whom_the_caller_sees(admin, other, operator, job):
    assert codes(await admin.get("/api/windows/check")) == {"job_id": "required"}
    assert (await admin.get("/api/windows/check", params={"device_id": str(uuid4())})).json()[
        "code"
    ] == "device_not_found"
    assert (await other.get("/api/windows/check", params={"device_id": job["crane"]})).status_code == 404
    assert (await admin.get("/api/windows/check?job_id=999999")).status_code == 404
    late = await admin.get("/api/windows/check", params={"job_id": job["id"], "at": "9999-12-31T23:59:59-14:00"})
    assert codes(late) == {"at": "out_of_range"}


# --- calendar files ---------------------------------------------------------------------------------------------------

HOLIDAYS = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "X-WR-TIMEZONE:Europe/Berlin",
        *(
            "BEGIN:VEVENT",
            "UID:1",
            "SUMMARY:New Year",
            "DTSTART;VALUE=DATE:20200101",
            "RRULE:FREQ=YEARLY",
            "END:VEVENT",
        ),
        *("BEGIN:VEVENT", "UID:2", "SUMMARY:Move", "DTSTART:20300501T060000Z", "DURATION:PT4H", "END:VEVENT"),
        *("BEGIN:VEVENT", "UID:3", "SUMMARY:Party", "DTSTART;VALUE=DATE:20200701", "END:VEVENT"),
        *("BEGIN:VEVENT", "UID:4", "SUMMARY:Off", "STATUS:CANCELLED", "DTSTART;VALUE=DATE:20300701", "END:VEVENT"),
        "END:VCALENDAR",
        "",
    ]
)


async def imported(client: httpx.AsyncClient, content, **params):
    query = {"name": "Holidays", "kind": "deny", "attach": "global"} | params
    headers = {"Content-Type": "text/calendar"}
    return await client.post("/api/windows/import", params=query, content=content, headers=headers)


async def test_a_calendar_file_becomes_a_window(admin, world):
    reply = await imported(
        admin, HOLIDAYS, attach=[f"site:{world.site_a}", f"site:{world.site_b}"], when_closed="defer"
    )
    assert reply.status_code == 201, reply.text
    body = reply.json()
    assert body["left_out"] == [
        {"name": "Party", "uid": "3", "reason": "ended"},
        {"name": "Off", "uid": "4", "reason": "cancelled"},
    ]
    saved = (await admin.get(f"/api/windows/{body['window']['id']}")).json()
    assert saved["covers"] == ["site Harbour", "site Lighthouse"]
    assert [one["name"] for one in saved["spans"]] == ["New Year", "Move"]
    assert saved["spans"][0]["schedule"]["timezone"] == "Europe/Berlin"
    assert saved["spans"][0]["duration_days"] == 1
    assert saved["spans"][1]["duration_seconds"] == 14_400
    assert saved["when_closed"] == "defer"


async def test_a_dry_run_tells_the_same_and_saves_nothing(admin):
    reply = await imported(admin, HOLIDAYS, dry_run="true", timezone="America/New_York")
    assert (reply.status_code, reply.json()["window"]) == (200, None)
    assert reply.json()["spans"][0]["schedule"]["timezone"] == "America/New_York"
    assert len(reply.json()["span_texts"]) == 2
    assert (await admin.get("/api/windows")).json()["items"] == []


async def test_problems_of_the_file_and_of_the_window_come_together_and_nothing_is_saved(admin, operator, world):
    await made(admin, window(name="Holidays"))
    broken = HOLIDAYS.replace("FREQ=YEARLY", "FREQ=SECONDLY").replace("DURATION:PT4H", "DURATION:P1DT4H")
    reply = await imported(operator, broken, attach=[f"site:{world.site_b}", "filter:1", "site:x", "moon"])
    assert reply.status_code == 422
    found = codes(reply)
    assert found == {
        "line 8": "invalid_rrule",
        "line 14": "invalid_length",
        "name": "name_taken",
        "attachments.0.site_id": "site_not_found",
        "attachments.1.filter_id": "filter_not_found",
        "attachments.2.site_id": "out_of_range",
        "attachments.3.kind": "not_allowed",
    }
    messages = [one["message"] for one in reply.json()["errors"]]
    assert any(one.startswith("event `New Year` (UID 1): RRULE ") for one in messages)
    assert len((await admin.get("/api/windows")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"timezone": "UTC", "zone_source": "site"}, "timezone"),
        ({"stop_at_end": "true"}, "stop_at_end"),
        ({"kind": "allow", "cutoff_seconds": "14400"}, "cutoff_seconds"),
        ({"kind": "maybe"}, "kind"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_given_beside_the_file_is_judged_too(admin, params, field):
    reply = await imported(admin, HOLIDAYS, **params)
    assert reply.status_code == 422
    assert field in codes(reply)


@pytest.fixture
def no_collection():
    """What interrupts a computation in the middle of a collection of garbage is lost there."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
async def test_reading_a_file_counts_against_the_time_that_a_window_may_take(admin, monkeypatch):
    monkeypatch.setattr(saving, "EVALUATION_SECONDS", 0.05)
    notes = ["DTSTART:20300501T060000Z", *[f"EXDATE:2031{month:02}01T060000Z" for month in range(1, 13)] * 200]
    lines = ["BEGIN:VCALENDAR", *["BEGIN:VEVENT", *notes, "END:VEVENT"] * 4, "END:VCALENDAR"]
    reply = await imported(admin, "\r\n".join([*lines[:-1], "BEGIN:VEVENT"]))
    assert (reply.status_code, codes(reply)) == (422, {"spans": "too_slow"})


async def test_a_file_full_of_faults_tells_the_first_hundred(admin):
    unreadable = ["BEGIN:VEVENT", *["DTSTART;=:x"] * 5_000, "END:VEVENT"]
    reply = await imported(admin, "\r\n".join(["BEGIN:VCALENDAR", *unreadable, "END:VCALENDAR"]))
    assert reply.status_code == 422
    assert len(reply.json()["errors"]) == 100
    moved = ["BEGIN:VEVENT", "UID:1", "RECURRENCE-ID;RANGE=THISANDFUTURE:20300501T060000Z", "END:VEVENT"]
    reply = await imported(admin, "\r\n".join(["BEGIN:VCALENDAR", *moved * 300, "END:VCALENDAR"]))
    assert len(reply.json()["errors"]) == 100


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"])
async def test_what_holds_no_events_is_refused(admin, content):
    reply = await imported(admin, content)
    assert reply.status_code == 422
    assert reply.json()["errors"]


async def test_a_window_is_tried_out_before_it_is_saved(viewer, admin):
    tried = await viewer.post("/api/windows/preview", json={"kind": "deny", "spans": [SPAN]})
    assert tried.status_code == 200, tried.text
    body = tried.json()
    assert body["span_texts"][0].startswith("Every Sunday at 02:00")
    assert len(body["zones"][0]["stretches"]) == 5
    assert (await admin.get("/api/windows")).json()["items"] == []
    faulty = {"spans": [{**SPAN, "duration_seconds": 3}], "name": ""}
    refused = await viewer.post("/api/windows/preview", json=faulty)
    assert refused.status_code == 422
    assert {one["field"] for one in refused.json()["errors"]} == {"spans.0.duration_seconds"}  # no name is no matter
    assert (await viewer.post("/api/windows/preview", json=[])).status_code == 422
