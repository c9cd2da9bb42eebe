"""Runs that bring machines under management, against a network that is played; the database, its rows and approvals are real."""

import asyncio
from contextlib import suppress

import pytest

from tests.factories import places
from tests.onboarding.network import Visit, World, ask, good, refuses
from watchbill import agents, queue, runs
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.states import WorkItemState
from watchbill.executors import LeaseLostError
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.settings import load
from watchbill.onboarding.base import Installed, OnboardingError
from watchbill.onboarding.runner import Bells


async def _follow(world: World) -> int:
    async with world.db.begin() as tx:
        return await runs.follow_approvals(tx, await world.clock.now(tx))


async def _doctor(world: World) -> None:
    settings = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
    findings = await doctor.check(Engine(settings, world.db, world.clock, world.keys))
    assert not findings


async def test_every_address_of_a_scope_ends_with_its_reason(world: World) -> None:
    world.network.machines = {"10.4.0.1": good, "10.4.0.2": refuses}
    world.network.names = {"web.lab": ["10.4.0.1"]}
    world.network.called = {"10.4.0.2": "printer.lab"}
    job = await world.job("10.4.0.1-4", "web.lab, gone.lab", exclusions=["10.4.0.4"])
    occurrence = await world.begin(job)
    await world.work(occurrence)
    assert await world.ends(occurrence) == {
        "10.4.0.1": ("waiting_approval", None),
        "10.4.0.2": ("auth_failed", "credentials_refused"),
        "10.4.0.3": ("unreachable", "no_answer"),
        "10.4.0.4": ("skipped", "excluded"),
        "gone.lab": ("unreachable", "name_not_resolved"),
    }
    row = (await world.rows(occurrence))["10.4.0.1"]
    assert row.names == ["web.lab"]
    assert row.credential_name == "Root"
    assert [one["task"] for one in row.timeline] == ["look for it", "sign in", "upload", "asked"]
    assert all(one["state"] == "done" and one["finished_at"] for one in row.timeline)
    assert "“Root”" in ((await world.rows(occurrence))["10.4.0.2"].detail or "")
    assert (await world.rows(occurrence))["10.4.0.2"].hostname == "printer.lab"
    assert "10.4.0.4" not in world.network.seen
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "failed")
    await _doctor(world)


@pytest.mark.parametrize(("decision", "state"), [("approve", "approved"), ("deny", "denied")])
async def test_an_address_follows_the_decision_about_its_machine(world: World, decision: str, state: str) -> None:
    world.network.machines = {"10.4.0.1": good}
    job = await world.job("10.4.0.1")
    occurrence = await world.begin(job)
    await world.work(occurrence)
    before = (await world.rows(occurrence))["10.4.0.1"]
    assert before.approval_id is not None
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        origins = await runs.onboarding_origins(tx, [before.approval_id])
        if decision == "approve":
            await agents.approve(tx, world.admin, before.approval_id, now=now)
        else:
            await agents.deny(tx, world.admin, before.approval_id, reason="Not ours", now=now)
    origin = origins[before.approval_id]
    assert (origin.job_id, origin.target_id, origin.address) == (job, before.id, "10.4.0.1")
    assert await _follow(world) == 1
    assert await _follow(world) == 0
    after = (await world.rows(occurrence))["10.4.0.1"]
    assert after.state == state
    assert (after.device_id is not None) == (decision == "approve")
    await _doctor(world)


async def test_what_is_managed_or_asks_already_is_not_even_looked_at(world: World) -> None:
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        other = await places.make_site(tx, "Lighthouse", now=now)
        for site, name in ((world.site_id, "here"), (other, "elsewhere")):
            device = await places.make_device(tx, name, site, now=now, online=True)
            address = "10.4.0.1" if name == "here" else "10.4.0.2"
            await tx.exec_driver_sql(
                "UPDATE devices SET internal_addresses = ARRAY[%s::inet] WHERE id = %s", (address, device)
            )
    world.network.machines = dict.fromkeys(("10.4.0.1", "10.4.0.2", "10.4.0.3"), good)
    job = await world.job("10.4.0.1-3")
    first = await world.begin(job)
    await world.work(first)
    ends = await world.ends(first)
    # Another site has a network of its own, with the same addresses.
    assert ends == {
        "10.4.0.1": ("skipped", "already_managed"),
        "10.4.0.2": ("waiting_approval", None),
        "10.4.0.3": ("waiting_approval", None),
    }
    assert "here" in ((await world.rows(first))["10.4.0.1"].detail or "")
    world.network.seen.clear()
    second = await world.begin(job)
    await world.work(second)
    assert world.network.seen == []
    assert set((await world.ends(second)).values()) == {("skipped", "already_managed"), ("skipped", "already_pending")}
    assert (await world.occurrence(job, second)).outcome == "success"
    await _doctor(world)


async def test_a_worker_that_died_is_followed_by_another_and_nothing_is_installed_twice(world: World) -> None:
    arrived, installs = asyncio.Event(), 0

    async def slow(visit: Visit) -> Installed:
        nonlocal installs
        installs += 1
        if installs > 1:
            return await good(visit)
        async with visit.story.task("upload"):
            arrived.set()
            await asyncio.sleep(3600)
        raise AssertionError

    world.network.machines = {"10.4.0.1": good, "10.4.0.2": slow}
    job = await world.job("10.4.0.1-2", component={"concurrency": 2})
    occurrence = await world.begin(job)
    async with asyncio.TaskGroup() as group:
        dying = group.create_task(world.work(occurrence))
        await arrived.wait()
        while (await world.ends(occurrence))["10.4.0.1"][0] != "waiting_approval":
            await asyncio.sleep(0.05)
        dying.cancel()  # as when its process is killed: nothing more is written
    assert (await world.ends(occurrence))["10.4.0.2"] == ("installing", None)
    await world.work(occurrence)
    assert set((await world.ends(occurrence)).values()) == {("waiting_approval", None)}
    assert world.network.entered == ["10.4.0.1", "10.4.0.2", "10.4.0.2"]
    row = (await world.rows(occurrence))["10.4.0.2"]
    assert [one["state"] for one in row.timeline if one["task"] == "upload"] == ["cut_off", "done"]
    assert row.attempt == 2
    await _doctor(world)


async def test_a_worker_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def held(visit: Visit) -> Installed:
        async with visit.story.task("upload"):
            arrived.set()
            await go.wait()
        raise AssertionError

    world.network.machines = {"10.4.0.1": held}
    job = await world.job("10.4.0.1")
    occurrence = await world.begin(job)
    async with asyncio.TaskGroup() as group:

        async def frozen() -> None:
            with pytest.raises(LeaseLostError):
                await world.work(occurrence)

        group.create_task(frozen())
        await arrived.wait()
        world.network.machines = {"10.4.0.1": good}
        await world.work(occurrence)
        go.set()
    assert (await world.ends(occurrence))["10.4.0.1"] == ("waiting_approval", None)
    await _doctor(world)


async def test_a_stop_ends_what_is_under_way_and_withdraws_the_rest(world: World) -> None:
    arrived, cleaned = asyncio.Event(), asyncio.Event()

    async def endless(visit: Visit) -> Installed:
        try:
            async with visit.story.task("upload"):
                arrived.set()
                await asyncio.sleep(3600)
        finally:
            cleaned.set()
        raise AssertionError

    world.network.machines = dict.fromkeys(("10.4.0.1", "10.4.0.2"), endless)
    job = await world.job("10.4.0.1-2", component={"concurrency": 1})
    occurrence = await world.begin(job)
    async with asyncio.TaskGroup() as group:
        group.create_task(world.work(occurrence))
        await arrived.wait()
        async with world.db.begin() as tx:
            await runs.cancel_occurrence(
                tx, occurrence, operator_id=world.admin.operator_id, now=await world.clock.now(tx)
            )
        world.bells.stops.set()
    assert cleaned.is_set()
    assert set((await world.ends(occurrence)).values()) == {("skipped", "cancelled")}
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "cancelled")
    row = (await world.rows(occurrence))["10.4.0.1"]
    assert row.timeline[-1]["state"] == "cut_off"
    assert row.timeline[-1]["finished_at"]
    await _doctor(world)


async def test_a_stop_before_a_worker_came_closes_the_occurrence(world: World) -> None:
    job = await world.job("10.4.0.1-2")
    occurrence = await world.begin(job)
    async with world.db.begin() as tx:
        await runs.cancel_occurrence(tx, occurrence, operator_id=None, now=await world.clock.now(tx))
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "cancelled")
    await _doctor(world)


async def test_two_jobs_at_one_network_do_not_meet_on_a_machine(world: World) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def first(visit: Visit) -> Installed:
        arrived.set()
        await go.wait()
        return await good(visit)

    world.network.machines = {"10.4.0.1": first}
    one, two = await world.job("10.4.0.1"), await world.job("10.4.0.0/24", name="The whole network")
    opened = [await world.begin(one), await world.begin(two)]
    async with asyncio.TaskGroup() as group:
        group.create_task(world.work(opened[0], Bells(asyncio.Event(), asyncio.Event())))
        await arrived.wait()
        await world.work(opened[1], Bells(asyncio.Event(), asyncio.Event()))
        go.set()
    assert (await world.ends(opened[0]))["10.4.0.1"] == ("waiting_approval", None)
    row = (await world.rows(opened[1]))["10.4.0.1"]
    assert (row.state, row.reason) == ("skipped", "taken")
    assert "The harbour's machines" in (row.detail or "")
    await _doctor(world)


async def test_no_more_machines_at_once_than_the_job_says(world: World) -> None:
    async def a_while(visit: Visit) -> Installed:
        await asyncio.sleep(0.05)
        return await good(visit)

    world.network.machines = {f"10.4.0.{number}": a_while for number in range(1, 13)}
    job = await world.job("10.4.0.1-12", component={"concurrency": 3})
    occurrence = await world.begin(job)
    await world.work(occurrence)
    assert world.network.most_at_once == 3
    assert set((await world.ends(occurrence)).values()) == {("waiting_approval", None)}


async def test_unfinished_addresses_alone_are_looked_at_again(world: World) -> None:
    world.network.machines = {"10.4.0.1": good, "10.4.0.2": refuses}
    job = await world.job("10.4.0.1-4", exclusions=["10.4.0.4"])
    first = await world.begin(job)
    await world.work(first)
    world.network.machines["10.4.0.2"] = good
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        again = await runs.look_again(tx, world.admin, job, runs.LookAgain("unfinished"), now=now)
        rows = await world.rows(first)
        strange = runs.LookAgain([rows["10.4.0.1"].id, 999_999])
        with pytest.raises(InvalidError):
            await runs.look_again(tx, world.admin, job, strange, now=now)
    assert again.origin_occurrence_id == first
    await world.work(again.id)
    assert await world.ends(again.id) == {
        "10.4.0.2": ("waiting_approval", None),
        "10.4.0.3": ("unreachable", "no_answer"),
    }
    await _doctor(world)


async def test_an_exclusion_that_leads_nowhere_lets_nobody_in(world: World) -> None:
    world.network.machines = {"10.4.0.1": good}
    job = await world.job("10.4.0.1", exclusions=["printer.lab"])
    occurrence = await world.begin(job)
    with pytest.raises(ValueError, match="printer"):
        await world.work(occurrence)
    assert world.network.seen == []
    lease = await world.lease(occurrence)
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        await queue.settle(tx, lease, WorkItemState.FAILED, now, error="printer.lab")
        await runs.give_up_onboarding(tx, lease.run_id, "printer.lab leads nowhere", now)
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "failed")
    assert "printer.lab" in (ended.detail or "")
    await _doctor(world)


async def test_where_all_is_done_there_is_nothing_to_look_at_again(world: World) -> None:
    world.network.machines = {"10.4.0.1": good}
    job = await world.job("10.4.0.1")
    await world.work(await world.begin(job))
    async with world.db.begin() as tx:
        with pytest.raises(ConflictError, match="done with"):
            await runs.look_again(tx, world.admin, job, runs.LookAgain(), now=await world.clock.now(tx))


async def test_a_fault_of_ours_with_one_machine_does_not_end_the_others(world: World) -> None:
    async def broken(_visit: Visit) -> Installed:
        raise KeyError("oh")

    async def endless(_visit: Visit) -> Installed:
        await asyncio.sleep(3600)
        raise AssertionError

    world.network.machines = {"10.4.0.1": broken, "10.4.0.2": good, "10.4.0.3": endless}
    job = await world.job("10.4.0.1-3", duration={"time_limit_seconds": 8})
    occurrence = await world.begin(job)
    await world.work(occurrence)
    assert await world.ends(occurrence) == {
        "10.4.0.1": ("failed", "step_failed"),
        "10.4.0.2": ("waiting_approval", None),
        "10.4.0.3": ("failed", "timed_out"),
    }


async def test_a_request_that_comes_late_is_the_truth_about_its_address(world: World) -> None:
    codes: list[str] = []

    async def unheard(visit: Visit) -> Installed:
        codes.append((await visit.engine.issue_code()).partition(".")[0])
        assert not await visit.engine.enrolled(0.1)
        raise OnboardingError(OnboardingState.FAILED, OnboardingReason.NOT_ENROLLED, "It did not ask in time.")

    world.network.machines = {"10.4.0.1": unheard}
    job = await world.job("10.4.0.1")
    occurrence = await world.begin(job)
    await world.work(occurrence)
    assert (await world.ends(occurrence))["10.4.0.1"] == ("failed", "not_enrolled")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        await ask(tx, codes[0], "late", key, None, now)
        # The same machine may ask again; nobody else can.
        await ask(tx, codes[0], "late", key, None, now)
    async with world.db.begin() as tx:
        with pytest.raises(Exception, match="not accepted"):
            await ask(tx, codes[0], "thief", Ed25519PrivateKey.generate(), None, now)
    await _follow(world)
    row = (await world.rows(occurrence))["10.4.0.1"]
    assert (row.state, row.hostname) == ("waiting_approval", "late")
    assert (await world.occurrence(job, occurrence)).outcome == "success"
    await _doctor(world)


async def test_an_account_that_was_refused_is_not_tried_there_by_every_occurrence(world: World) -> None:
    tries: list[bool] = []

    async def counting(visit: Visit) -> Installed:
        (first,) = visit.credentials
        tries.append(await visit.guard.may_try(first) is None)
        if tries[-1]:
            await visit.guard.tried(first, accepted=False)
        raise OnboardingError(OnboardingState.AUTH_FAILED, OnboardingReason.CREDENTIALS_REFUSED, "Refused.")

    world.network.machines = {"10.4.0.1": counting}
    job = await world.job("10.4.0.1", schedule={"type": "hourly"})
    await world.work(await world.begin(job))
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        due = (await runs.open_occurrences(tx, [], now), await _scheduled(tx, world, job, now))[1]
    await world.work(due)
    with suppress(ConflictError):
        await world.work(await world.begin(job))
    # By hand, by the schedule, by hand again.
    assert tries == [True, False, True]


async def _scheduled(tx, world: World, job: int, now):
    from watchbill import jobs
    from watchbill.runs.planning import opening

    new = opening(await jobs.due_settings(tx, job), "schedule", now.replace(microsecond=0), now=now)
    await runs.open_occurrences(tx, [new], now)
    return new.id
