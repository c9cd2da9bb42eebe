"""The preview: whom a job would reach, which of its instants windows close, for how many devices, and when its waves start."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.identity import SiteScope
from watchbill.kit.db import Database
from watchbill.runs import Blocked, Preview

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
NOON = {"type": "daily", "start": "2026-06-11T12:00", "timezone": "UTC"}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.now = NOW
    return scene


async def _preview(tx, scene: Scene, job: int, scope: SiteScope | None = None) -> Preview:
    saved = await jobs.get(tx, scene.admin, job)
    outlook = await jobs.outlook_of(tx, saved, now=scene.now)
    return await runs.preview(tx, scope or scene.admin.scope, outlook, scene.now)


async def _window(tx, scene: Scene, day: int, hour: int, hours: int, **changes) -> int:
    """One blackout, on one day."""
    start = f"2026-06-{day:02}T{hour:02}:00"
    span = {"schedule": {"type": "once", "start": start, "timezone": "UTC"}, "duration_seconds": hours * 3600}
    return await scene.window(tx, 0, 1, **{"name": "Stocktaking", "spans": [span], **changes})


async def test_without_windows_and_zones_an_instant_is_just_that(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        preview = await _preview(tx, scene, await scene.job(tx, "alpha", schedule=NOON))
        assert [one.instant for one in preview.instants] == list(preview.outlook.instants)
        assert {(one.first_start_at, one.last_start_at, tuple(one.blocked)) for one in preview.instants} == {
            (None, None, ())
        }
        assert (preview.targets.online, preview.problems) == (1, [])


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"when_closed": "skip"}, ("in_blackout",)),
        ({"when_closed": "defer"}, ("in_blackout", "held")),
    ],
)
async def test_an_instant_that_a_window_closes_for_the_job_says_so_and_no_other(
    db: Database, scene: Scene, changes, flags
) -> None:
    async with db.begin() as tx:
        for name in ("alpha", "beta"):
            await scene.device(tx, name)
        job = await scene.job(tx, "alpha", "beta", schedule=NOON)
        await _window(tx, scene, 12, 10, 4, **changes)
        first, second, third, *_ = (await _preview(tx, scene, job)).instants
        assert (first.instant.flags, second.instant.flags, third.instant.flags) == ((), flags, ())
        assert list(second.blocked) == [Blocked("Stocktaking", "deny", 2)]
        assert list(third.blocked) == []


async def test_what_the_preview_flags_is_what_the_tick_then_does(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", schedule=NOON)
        await _window(tx, scene, 12, 10, 4, when_closed="skip")
        await _window(tx, scene, 13, 10, 4, name="Fair", when_closed="defer")
        await _window(tx, scene, 14, 10, 40, name="Strike", when_closed="defer")
        flags = [one.instant.flags for one in (await _preview(tx, scene, job)).instants[:4]]
        for day in (11, 12, 13, 14):
            await scene.tick(tx, datetime(2026, 6, day, 12, tzinfo=UTC))
        states = [one.state for one in await scene.ledger(tx, job)]
        expected = {"open": (), "skipped": ("in_blackout",), "held": ("in_blackout", "held")}
        assert states == ["open", "skipped", "held", "skipped"]
        assert flags == [expected[state] for state in states]


async def test_windows_of_sites_and_devices_are_told_by_device(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        for name, site in {"alpha": scene.site, "beta": scene.site, "lamp": elsewhere}.items():
            await scene.device(tx, name, site=site)
        job = await scene.job(tx, "alpha", "beta", "lamp", schedule=NOON)
        await _window(tx, scene, 11, 10, 4, attachments=[{"kind": "site", "site_id": scene.site}])
        alone = [{"kind": "device", "device_id": str(scene.devices["lamp"])}]
        await _window(tx, scene, 11, 14, 4, name="Upkeep", kind="allow", attachments=alone)
        first = (await _preview(tx, scene, job)).instants[0]
        assert first.instant.flags == ()
        assert list(first.blocked) == [Blocked("Stocktaking", "deny", 2), Blocked("Upkeep", "allow", 1)]
        assert first.closed_devices == 3
        mine = (await _preview(tx, scene, job, SiteScope(frozenset({elsewhere})))).instants[0]
        assert list(mine.blocked) == [Blocked("Upkeep", "allow", 1)], "of foreign sites nothing is told"


async def test_a_device_with_two_closed_windows_counts_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("alpha", "beta"):
            await scene.device(tx, name)
        job = await scene.job(tx, "alpha", "beta", schedule=NOON)
        alone = [{"kind": "device", "device_id": str(scene.devices["alpha"])}]
        for name in ("Fair", "Repair"):
            await _window(tx, scene, 11, 10, 4, name=name, attachments=alone)
        first, second, *_ = (await _preview(tx, scene, job)).instants
        assert list(first.blocked) == [Blocked("Fair", "deny", 1), Blocked("Repair", "deny", 1)]
        assert (first.closed_devices, second.closed_devices) == (1, 0)


async def test_the_first_and_last_start_are_those_of_the_zones_of_its_targets(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name, zone in {"bear": "Europe/Berlin", "apple": "America/New_York", "kiwi": "Pacific/Auckland"}.items():
            await scene.device(tx, name, timezone=zone)
        schedule = {"type": "daily", "start": "2026-06-12T03:00", "timezone_source": "device"}
        job = await scene.job(tx, "bear", "apple", schedule=schedule)
        one = (await _preview(tx, scene, job)).instants[0]
        assert (one.first_start_at, one.last_start_at) == (
            datetime(2026, 6, 12, 1, tzinfo=UTC),
            datetime(2026, 6, 12, 7, tzinfo=UTC),
        )
        assert one.instant.local == datetime(2026, 6, 12, 3)


async def test_each_zone_is_judged_at_its_own_start(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name, zone in {"bear": "Europe/Berlin", "apple": "America/New_York"}.items():
            await scene.device(tx, name, timezone=zone)
        schedule = {"type": "daily", "start": "2026-06-12T03:00", "timezone_source": "device"}
        job = await scene.job(tx, "bear", "apple", schedule=schedule)
        await _window(tx, scene, 12, 6, 2)
        one = (await _preview(tx, scene, job)).instants[0]
        assert list(one.blocked) == [Blocked("Stocktaking", "deny", 1)], "New York starts within it, Berlin before"
        assert one.instant.flags == ()


async def test_where_starts_are_spread_no_window_is_said_to_close_the_whole_job(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", schedule=NOON, policies={"splay_seconds": 3600})
        await _window(tx, scene, 11, 10, 4)
        one = (await _preview(tx, scene, job)).instants[0]
        assert (one.instant.flags, list(one.blocked)) == ((), [Blocked("Stocktaking", "deny", 1)])


async def test_a_job_that_is_not_saved_is_previewed_with_what_covers_everything(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, 11, 10, 4, when_closed="skip")
        definition = {
            "name": "New",
            "components": [{"assembly_id": str(scene.script)}],
            "targets": [{"kind": "device", "device_id": str(scene.devices["alpha"])}],
            "schedule": NOON,
        }
        outlook = await jobs.outlook(tx, scene.admin, definition, now=scene.now)
        one = (await runs.preview(tx, scene.admin.scope, outlook, scene.now)).instants[0]
        assert (one.instant.flags, list(one.blocked)) == (("in_blackout",), [Blocked("Stocktaking", "deny", 1)])


async def test_an_active_run_is_counted_against_a_job_as_its_policies_say(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", schedule=NOON)
        await scene.open(tx, job)
        await scene.take(tx)
        preview = await _preview(tx, scene, job)
        assert (preview.targets.online, dict(preview.targets.left_out)) == (0, {"previous_run_active": 1})
        assert scene.now + timedelta(days=1) == preview.instants[0].instant.at


@pytest.mark.parametrize("policy", ["skip", "wait"])
async def test_devices_on_which_nobody_is_signed_in_are_counted_as_the_hand_out_will_see_them(
    db: Database, scene: Scene, policy: str
) -> None:
    async with db.begin() as tx:
        for name in ("used", "empty", "silent", "away"):
            await scene.device(tx, name)
        for name, users in (("used", ["ada", "bob"]), ("empty", []), ("silent", [None]), ("away", ["eve"])):
            await scene.sign_in(tx, name, *users)
        gone = {"id": scene.devices["away"]}
        await tx.execute(text("UPDATE device_presence SET gateway_id = NULL WHERE device_id = :id"), gone)
        names = ("used", "empty", "silent", "away")
        changes = {"execution_context": "current_user", "policies": {"no_user_session": policy}}
        shown = (await _preview(tx, scene, await scene.job(tx, *names, **changes))).targets
        counted = (shown.online, shown.offline, dict(shown.left_out), shown.unattended)
        expected = {"skip": (1, 1, {"no_user_session": 2}, 0), "wait": (3, 1, {}, 2)}
        assert counted == expected[policy]
        system = (await _preview(tx, scene, await scene.job(tx, *names, name="As system"))).targets
        assert (system.online, dict(system.left_out), system.unattended) == (3, {}, 0)


async def test_a_job_is_not_called_dead_because_nobody_is_signed_in_now(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "empty")
        await scene.sign_in(tx, "empty")
        job = await scene.job(tx, "empty", execution_context="current_user")
        saved = await jobs.get(tx, scene.admin, job)
        _, health = await runs.health_of(tx, scene.admin.scope, [saved], scene.now)
        closer = await runs.look_closer(tx, scene.admin.scope, saved, health[job], scene.now)
        assert closer.will_not_fire is None
