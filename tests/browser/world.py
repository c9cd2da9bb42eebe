"""What there is in the Engine that pictures are taken of: a fleet with names, jobs that went well and jobs that did not."""

from typing import Any

from tests.browser.crowds import widen
from tests.browser.past import furnish, make_viewer
from tests.browser.stage import enrolled
from tests.browser.world_inventory import inventory
from tests.browser.world_onboarding import onboarded
from tests.browser.world_runs import held, rollouts
from tests.browser.world_stock import stock
from tests.browser.world_workflow_runs import workflow_runs
from tests.flows.fleet import Fleet, until

#: Ids by the names that paths of pictures use.
World = dict[str, Any]

#: Writes for as long as anybody looks, and not for ever: it outlives an agent that is killed.
_LONG = r"printf '\033[1mcopying\033[0m\n'; n=0; while [ $n -lt 900 ] && sleep 0.3; do n=$((n+1)); printf '\033[32mok\033[0m file %s\n' $n; done"
_BAD = r"echo looking at 3 disks; printf '/srv \033[1;31mfull\033[0m\n'; echo disk full >&2; exit 3"
_DAILY = {"type": "daily", "start": "2026-01-01T03:00", "timezone": "Europe/Berlin"}


async def empty(fleet: Fleet) -> World:
    return {"site": fleet.site["id"]}


async def full(fleet: Fleet) -> World:
    crane = await enrolled(fleet, "crane-01")
    pump = await enrolled(fleet, "pump-07")
    away = await fleet.enrol("buoy-12", start=False)
    good = await fleet.script("echo removed 17 files", name="Clear print spool")
    bad = await fleet.script(_BAD, name="Check disks")
    nightly = await fleet.job(good, crane, pump, name="Clear print spool", schedule=_DAILY, tags=["night", "print"])
    checks = await fleet.job(
        bad,
        crane,
        pump,
        name="Check disks of the harbour offices",
        schedule={"type": "hourly", "start": "2026-01-01T00:20"},
    )
    waits = await fleet.job(good, crane, away, name="Rotate certificates", schedule={**_DAILY, "type": "weekly"})
    rollout = await _rollout(fleet, good, crane.device_id)
    others = [
        await fleet.job(good, crane, name=name, schedule=_DAILY)
        for name in (
            "Backup of the tide tables",
            "Inventory of licences",
            "Restart the berth display",
            "Sync clocks",
            "Trim logs",
            "Update virus signatures",
        )
    ]
    for job in (nightly, checks, waits, nightly, checks, *others[:3]):
        await _run(fleet, job)
    graphs = await workflow_runs(fleet, bad, crane.device_id, pump.device_id)  # before something long holds the devices
    running = await fleet.job(
        await fleet.script(_LONG, name="Copy tide tables"),
        crane,
        pump,
        name="Copy tide tables",
        schedule=_DAILY,
        policies={"waves": {"sizes": [1, "100%"], "promote": "manual"}},
    )
    await _start(fleet, running)
    occurrences = await fleet.occurrences(nightly)
    await _pause(fleet, others[3], "The new time servers come on Monday.")
    waves = await rollouts(fleet, good, bad, crane, pump)
    window = await furnish(fleet, nightly, checks, others[4])
    await make_viewer(fleet)
    return {
        "site": fleet.site["id"],
        "window": window,
        "job": nightly["id"],
        "failing": checks["id"],
        "waiting": waits["id"],
        "running": running["id"],
        "held": await held(fleet, checks),
        **waves,
        "first": occurrences[1]["id"],
        "second": occurrences[0]["id"],
        "rollout": rollout["id"],
        "other": others[5]["id"],
        "device": crane.device_id,
        **await stock(fleet, crane),
        "away": away.device_id,
        **await inventory(fleet, crane.device_id),
        **await onboarded(fleet, crane.device_id),
        **graphs,
    }


async def crowd(fleet: Fleet) -> World:
    """One run on very many devices."""
    agent = await enrolled(fleet, "crane-01")
    script = await fleet.script("echo removed 17 files", name="Clear print spool")
    job = await fleet.job(script, agent, name="Clear print spool", schedule=_DAILY)
    await _run(fleet, job)
    async with fleet.db.begin() as tx:
        await widen(tx, (await fleet.occurrences(job))[0]["id"], 20_000)
    return {"job": job["id"]}


async def _start(fleet: Fleet, job: dict[str, Any]) -> None:
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={"targets": "all"})
    assert reply.status_code == 202, reply.text


async def _rollout(fleet: Fleet, check: str, device_id: str) -> dict[str, Any]:
    """A job that says much: a check and its fix with variables, a filter, waves, a rule; saved twice."""
    variables = [
        {"name": "MaxAgeHours", "type": "number", "default": 24, "description": "Older files are removed."},
        {"name": "Ring", "type": "choice", "choices": ["stable", "early"], "default": "stable"},
        {"name": "Token", "type": "secret", "required": True, "description": "For the package mirror."},
    ]
    fix = await fleet.script("apt-get -y upgrade", name="Install updates", variables=variables)
    aim = {
        "name": "Cranes and pumps",
        "criteria": {"all": [{"field": "os_family", "operator": "is", "value": "linux"}]},
    }
    found = await fleet.http.post("/api/device_filters", json=aim)
    assert found.status_code == 201, found.text
    body: dict[str, Any] = {
        "name": "Roll out updates",
        "description": "First the canaries, then the harbour, then everybody. Ask Ines.",
        "tags": ["updates", "weekly"],
        "components": [
            {"assembly_id": check, "role": "check"},
            {"assembly_id": fix, "variables": {"Token": "correct horse", "Ring": "early"}},
        ],
        "targets": [{"kind": "filter", "filter_id": found.json()["id"]}, {"kind": "site", "site_id": fleet.site["id"]}],
        "exclusions": [{"kind": "device", "device_id": device_id}],
        "schedule": {
            "type": "rrule",
            "rule": "FREQ=WEEKLY;BYDAY=MO,TH",
            "start": "2027-03-22T02:30",
            "timezone": "Europe/Berlin",
        },
        "policies": {
            "waves": {"sizes": [1, "25%"], "soak_seconds": 900, "canary": {"tag": "canary", "if_none": "go_on"}},
            "retries": 1,
        },
    }
    made = await fleet.http.post("/api/scheduled_jobs", json={**body, "tags": ["updates"], "policies": {}})
    assert made.status_code == 201, made.text
    kept = [body["components"][0], {**body["components"][1], "variables": {"Token": {"is_set": True}, "Ring": "early"}}]
    saved = await fleet.http.put(f"/api/scheduled_jobs/{made.json()['id']}", json={**body, "components": kept})
    assert saved.status_code == 200, saved.text
    return dict(saved.json())


async def _run(fleet: Fleet, job: dict[str, Any]) -> None:
    """Until every device that is there has ended."""
    await _start(fleet, job)

    async def is_done() -> bool:
        rows = await fleet.rows(job)
        return bool(rows) and all(row["finished_at"] or row["state"] == "waiting_online" for row in rows)

    await until(is_done, patience=60)


async def _pause(fleet: Fleet, job: dict[str, Any], why: str) -> None:
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/toggle", json={"enabled": False, "reason": why})
    assert reply.status_code == 200, reply.text
