"""Splay: the database spreads starts exactly as the core says, within the gap, and each device always at its own place."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.factories.scene import Scene
from watchbill import runs
from watchbill.core.occurrence import splay_delay
from watchbill.kit.db import Database
from watchbill.runs.resolving import DELAY

_DELAYS = text(f"""
SELECT ({DELAY}) FROM unnest(CAST(:jobs AS bigint[]), CAST(:devices AS uuid[]), CAST(:splays AS integer[]), CAST(:salts AS text[]))
  WITH ORDINALITY AS s(job_id, device_id, splay_seconds, splay_salt, place),
  LATERAL (SELECT s.device_id) AS c
ORDER BY s.place
""")

_moments = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
_cases = st.tuples(st.integers(1, 2**63 - 1), st.uuids(), st.integers(0, 86_400), st.one_of(st.none(), _moments))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(_cases, min_size=1, max_size=200))
async def test_the_database_computes_the_very_delay_of_the_core(db: Database, cases) -> None:
    values = {
        "jobs": [job for job, _, _, _ in cases],
        "devices": [device for _, device, _, _ in cases],
        "splays": [splay for _, _, splay, _ in cases],
        "salts": ["" if at is None else f"|{int(at.timestamp())}" for _, _, _, at in cases],
    }
    async with db.begin() as tx:
        found = (await tx.execute(_DELAYS, values)).scalars().all()
    assert list(found) == [splay_delay(*case) for case in cases]


async def _starts(tx, scene: Scene, occurrence: UUID) -> dict[str, datetime | None]:
    return {name: row.starts_at for name, row in (await scene.rows(tx, occurrence)).items()}


async def _fleet(tx, scene: Scene, number: int = 20) -> None:
    for one in range(number):
        await scene.device(tx, f"d{one}")


@pytest.mark.parametrize("mode", ["fixed", "per_occurrence"])
async def test_devices_start_at_their_own_places_within_the_splay(db: Database, scene: Scene, mode) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        job = await scene.job(
            tx, *scene.devices, schedule=scene.every("hourly"), policies={"splay_seconds": 1800, "splay_mode": mode}
        )
        due = (scene.now + timedelta(minutes=1)).replace(second=0, microsecond=0)
        found = []
        for hour in (0, 1):
            nominal = due + timedelta(hours=hour)
            (occurrence,) = await scene.tick(tx, nominal + timedelta(seconds=2))
            starts = await _starts(tx, scene, occurrence)
            salted = nominal if mode == "per_occurrence" else None
            assert starts == {
                name: nominal + timedelta(seconds=splay_delay(job, device, 1800, salted))
                for name, device in scene.devices.items()
            }
            rows = await scene.rows(tx, occurrence)
            assert all(row.expires_at - row.starts_at == timedelta(hours=1) for row in rows.values() if row.starts_at)
            found.append({name: start - nominal for name, start in starts.items() if start})
        assert (found[0] == found[1]) is (mode == "fixed")
        assert len(set(found[0].values())) > 15, "a fleet spreads"


async def test_a_splay_never_reaches_the_next_instant(db: Database, scene: Scene) -> None:
    """A rule with uneven gaps may have one that is shorter than the splay: there it is cut."""
    async with db.begin() as tx:
        await _fleet(tx, scene)
        begin = (scene.now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        rule = {"type": "cron", "expression": "0,5 0 * * *", "timezone": "UTC"}
        job = await scene.job(tx, *scene.devices, schedule=rule, policies={"splay_seconds": 240})
        await tx.execute(
            text(
                "UPDATE jobs SET definition = jsonb_set(definition, '{policies,splay_seconds}', '3600') WHERE id = :id"
            ),
            {"id": job},
        )
        (occurrence,) = await scene.tick(tx, begin)
        starts = await _starts(tx, scene, occurrence)
        assert {start is not None and begin <= start < begin + timedelta(minutes=5) for start in starts.values()} == {
            True
        }
        assert starts["d0"] == begin + timedelta(seconds=splay_delay(job, scene.devices["d0"], 299))


async def test_what_is_made_up_for_is_spread_from_now_on(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        job = await scene.job(tx, *scene.devices, schedule=scene.every("hourly"), policies={"splay_seconds": 600})
        late = (scene.now + timedelta(minutes=31)).replace(microsecond=0)
        (occurrence,) = await scene.tick(tx, late)
        starts = await _starts(tx, scene, occurrence)
        assert starts == {
            name: late + timedelta(seconds=splay_delay(job, device, 600)) for name, device in scene.devices.items()
        }


async def test_what_a_person_starts_is_not_spread(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene, 3)
        job = await scene.job(tx, *scene.devices, schedule=scene.every("hourly"), policies={"splay_seconds": 600})
        manual = await runs.open_manual(tx, scene.admin, job, now=scene.now)
        assert set((await _starts(tx, scene, manual.id)).values()) == {None}


async def test_each_wave_is_spread_from_its_own_start(db: Database, scene: Scene) -> None:
    scene.now = datetime(2026, 6, 1, tzinfo=UTC)
    async with db.begin() as tx:
        await scene.device(tx, "bear", timezone="Europe/Berlin")
        await scene.device(tx, "kiwi", timezone="Pacific/Auckland")
        rule = {"type": "daily", "start": "2026-06-02T03:00", "timezone_source": "device"}
        job = await scene.job(tx, "bear", "kiwi", schedule=rule, policies={"splay_seconds": 900})
        (occurrence,) = await scene.tick(tx, scene.now + timedelta(hours=15))
        starts = await _starts(tx, scene, occurrence)
        for name, hours in {"kiwi": 15, "bear": 25}.items():
            delay = splay_delay(job, scene.devices[name], 900)
            assert starts[name] == scene.now + timedelta(hours=hours, seconds=delay)
        found = await scene.occurrence(tx, job, occurrence)
        assert [wave.starts_at for wave in found.waves] == [scene.now + timedelta(hours=hours) for hours in (15, 25)]


async def test_a_run_limit_bounds_the_splay_and_every_row(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        job = await scene.job(
            tx,
            *scene.devices,
            schedule=scene.every("hourly"),
            policies={"splay_seconds": 300},
            duration={"run_limit_seconds": 600, "time_limit_seconds": 600},
        )
        due = (scene.now + timedelta(minutes=1)).replace(second=0, microsecond=0)
        (occurrence,) = await scene.tick(tx, due)
        rows = await scene.rows(tx, occurrence)
        assert {row.expires_at for row in rows.values()} == {due + timedelta(minutes=10)}
        stops = await tx.execute(text("SELECT DISTINCT stop_by_at FROM run_targets WHERE job_id = :job"), {"job": job})
        assert stops.scalars().all() == [due + timedelta(minutes=10)]
