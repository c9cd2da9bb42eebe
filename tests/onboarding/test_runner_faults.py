"""What goes wrong with runs that bring machines under management: odd texts, late answers, attempts that are given up."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.onboarding.network import Visit, World, ask, good, refuses
from watchbill import agents, queue, runs
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.states import WorkItemState
from watchbill.kit.settings import load
from watchbill.onboarding.base import Installed, OnboardingError


async def _doctor(world: World) -> None:
    settings = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
    assert not await doctor.check(Engine(settings, world.db, world.clock, world.keys))


async def _follow(world: World) -> int:
    async with world.db.begin() as tx:
        return await runs.follow_approvals(tx, await world.clock.now(tx))


async def _give_up(world: World, occurrence: UUID, error: str) -> None:
    """As a worker does it at the end of the last attempt."""
    lease = await world.lease(occurrence)
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        await queue.settle(tx, lease, WorkItemState.FAILED, now, error=error)
        await runs.give_up_onboarding(tx, lease.run_id, error, now)


async def test_a_line_that_was_under_way_when_time_was_up_is_cut_off(world: World) -> None:
    async def endless(visit: Visit) -> Installed:
        async with visit.story.task("upload"):
            await asyncio.sleep(3600)
        raise AssertionError

    async def broken(visit: Visit) -> Installed:
        async with visit.story.task("upload"):
            raise KeyError("oh")

    world.network.machines = {"10.4.0.1": endless, "10.4.0.2": broken}
    job = await world.job("10.4.0.1-2", duration={"time_limit_seconds": 2})
    occurrence = await world.begin(job)
    await world.work(occurrence)
    rows = await world.rows(occurrence)
    assert [(one.state, one.reason) for one in rows.values()] == [("failed", "timed_out"), ("failed", "step_failed")]
    for row in rows.values():
        assert row.timeline[-1]["state"] == "cut_off"
        assert row.timeline[-1]["finished_at"]


async def test_a_machine_that_times_out_by_itself_did_not_use_up_its_time(world: World) -> None:
    async def silent(_visit: Visit) -> Installed:
        raise TimeoutError("the other end")

    world.network.machines = {"10.4.0.1": silent}
    occurrence = await world.begin(await world.job("10.4.0.1"))
    await world.work(occurrence)
    assert await world.ends(occurrence) == {"10.4.0.1": ("failed", "step_failed")}


@pytest.mark.parametrize("odd", ["nul \0", "half \ud800", "both \udfff\0 \\u0000 \\"])
async def test_what_cannot_be_stored_of_a_machines_words_is_replaced(world: World, odd: str) -> None:
    async def strange(visit: Visit) -> Installed:
        async with visit.story.task("sign in") as task:
            task.detail = task.snippet = odd
        await visit.enrol("strange")
        return Installed(visit.credentials[0].id, odd, odd)

    async def stranger(visit: Visit) -> Installed:
        async with visit.story.task("sign in"):
            raise OnboardingError(OnboardingState.FAILED, OnboardingReason.STEP_FAILED, odd, odd)

    world.network.machines = {"10.4.0.1": strange, "10.4.0.2": stranger}
    occurrence = await world.begin(await world.job("10.4.0.1-2"))
    await world.work(occurrence)
    rows = await world.rows(occurrence)
    assert (rows["10.4.0.1"].state, rows["10.4.0.2"].state) == ("waiting_approval", "failed")
    clean = odd.replace("\0", "\ufffd").replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    assert rows["10.4.0.1"].hostname == clean
    assert rows["10.4.0.1"].timeline[-1]["detail"] == clean
    assert rows["10.4.0.2"].snippet == clean


async def test_a_machine_that_says_it_is_no_device_at_all_ends_its_own_row_alone(world: World) -> None:
    async def strange(visit: Visit) -> Installed:
        return Installed(visit.credentials[0].id, "strange", "1", repaired="no uuid")

    world.network.machines = {"10.4.0.1": strange, "10.4.0.2": good}
    occurrence = await world.begin(await world.job("10.4.0.1-2"))
    await world.work(occurrence)
    assert await world.ends(occurrence) == {
        "10.4.0.1": ("failed", "step_failed"),
        "10.4.0.2": ("waiting_approval", None),
    }


async def test_a_run_that_is_given_up_in_the_middle_ends_its_lines_and_its_occurrence(world: World) -> None:
    async def dies(visit: Visit) -> Installed:
        async with visit.story.task("upload"):
            arrived.set()
            await asyncio.sleep(3600)
        raise AssertionError

    arrived = asyncio.Event()
    world.network.machines = {"10.4.0.1": dies}
    job = await world.job("10.4.0.1-2", component={"concurrency": 1})
    occurrence = await world.begin(job)
    async with asyncio.TaskGroup() as group:
        dying = group.create_task(world.work(occurrence))
        await arrived.wait()
        dying.cancel()
    await _give_up(world, occurrence, "five times")
    row = (await world.rows(occurrence))["10.4.0.1"]
    assert (row.state, row.reason, row.timeline[-1]["state"]) == ("failed", "gave_up", "cut_off")
    assert (await world.occurrence(job, occurrence)).state == "closed"
    await _doctor(world)


async def test_a_run_that_is_given_up_when_nothing_was_left_to_do_is_closed_all_the_same(world: World) -> None:
    job = await world.job("gone.lab")
    occurrence = await world.begin(job)
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        run = (await tx.execute(text("SELECT id FROM runs"))).scalar_one()
        from watchbill.core.scope import expand, read_scope
        from watchbill.runs import onboarding as rows

        scope, _ = read_scope(["gone.lab"], [], field="targets.0", most=10)
        assert scope is not None
        await rows.put_places(tx, run, await rows.told(tx, run), list(expand(scope, {})), now)
    await _give_up(world, occurrence, "it died")
    assert (await world.occurrence(job, occurrence)).state == "closed"
    await _doctor(world)


async def test_a_run_without_an_end_is_told_to_who_looks_on(world: World) -> None:
    job = await world.job("10.4.0.1", exclusions=["gone.lab"])
    occurrence = await world.begin(job)
    query = text("SELECT count(*) FROM events WHERE payload->>'occurrence_id' = :id")
    async with world.db.begin() as tx:
        before = (await tx.execute(query, {"id": str(occurrence)})).scalar_one()
    await _give_up(world, occurrence, "gone.lab leads nowhere")
    async with world.db.begin() as tx:
        assert (await tx.execute(query, {"id": str(occurrence)})).scalar_one() > before


async def test_a_sweep_that_leaves_an_address_out_leaves_the_run_to_another_attempt(world: World, monkeypatch) -> None:
    world.network.machines = {"10.4.0.1": good}
    job = await world.job("10.4.0.1-3")
    occurrence = await world.begin(job)
    look = world.network._look

    async def forgetful(spots, ports):
        async for one in look(spots, ports):
            if str(one.address) != "10.4.0.2":
                yield one

    with monkeypatch.context() as patch:
        patch.setattr(world.network, "_look", forgetful)
        with pytest.raises(ValueError, match="not looked at"):
            await world.work(occurrence)
    assert (await world.occurrence(job, occurrence)).state == "open"
    await world.work(occurrence)
    assert (await world.occurrence(job, occurrence)).state == "closed"
    await _doctor(world)


async def test_a_request_that_was_decided_before_the_worker_looked_is_followed(world: World) -> None:
    async def quick(visit: Visit) -> Installed:
        await visit.enrol("quick")
        async with world.db.begin() as tx:
            now = await world.clock.now(tx)
            (request,) = (await agents.list_requests(tx, world.admin, limit=5)).items
            await agents.approve(tx, world.admin, request.id, now=now)
        await _follow(world)
        assert await visit.engine.enrolled(1)
        return Installed(visit.credentials[0].id, "quick", "1")

    world.network.machines = {"10.4.0.1": quick}
    job = await world.job("10.4.0.1")
    occurrence = await world.begin(job)
    await world.work(occurrence)
    await _follow(world)
    row = (await world.rows(occurrence))["10.4.0.1"]
    assert (row.state, row.device_id is not None) == ("approved", True)
    await _doctor(world)


@pytest.mark.parametrize("reason", ["no_answer", "credentials_refused"])
async def test_a_request_of_an_earlier_attempt_is_the_truth_whatever_the_last_one_found(
    world: World, reason: str
) -> None:
    codes: list[str] = []

    async def asks_later(visit: Visit) -> Installed:
        codes.append((await visit.engine.issue_code()).partition(".")[0])
        return await refuses(visit)

    world.network.machines = {"10.4.0.1": asks_later}
    job = await world.job("10.4.0.1")
    occurrence = await world.begin(job)
    await world.work(occurrence)
    async with world.db.begin() as tx:
        state = "unreachable" if reason == "no_answer" else "auth_failed"
        values = {"state": state, "reason": reason}
        await tx.execute(text("UPDATE onboarding_targets SET state = :state, reason = :reason"), values)
        await tx.execute(
            text("UPDATE occurrence_counts SET state = :state WHERE number > 0"),
            {"state": "skipped" if reason == "no_answer" else "failed"},
        )
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        await ask(tx, codes[0], "late", Ed25519PrivateKey.generate(), None, await world.clock.now(tx))
    assert await _follow(world) == 1
    assert await world.ends(occurrence) == {"10.4.0.1": ("waiting_approval", None)}
    await _doctor(world)


async def test_a_retry_after_an_occurrence_that_did_not_run_is_of_the_one_that_did(world: World) -> None:
    world.network.machines = {"10.4.0.1": refuses}
    job = await world.job("10.4.0.1")
    first = await world.begin(job)
    open_one = await world.begin(job)
    async with world.db.begin() as tx:
        state = (await tx.execute(text("SELECT state FROM occurrences WHERE id = :id"), {"id": open_one})).scalar_one()
    assert state == "skipped"
    await world.work(first)
    async with world.db.begin() as tx:
        again = await runs.look_again(tx, world.admin, job, runs.LookAgain(), now=await world.clock.now(tx))
    assert (again.state, again.origin_occurrence_id) == ("open", first)


async def test_a_retry_of_what_the_scope_has_no_more_says_so(world: World) -> None:
    world.network.machines = {"10.4.0.1": refuses}
    job = await world.job("10.4.0.1")
    await world.work(await world.begin(job))
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        again = await runs.look_again(tx, world.admin, job, runs.LookAgain(), now=now)
        await tx.execute(
            text("UPDATE runs SET target_specs = jsonb_set(target_specs, '{0,entries}', '[\"10.4.0.9\"]')")
        )
    await world.work(again.id)
    ended = await world.occurrence(job, again.id)
    assert ended.state == "closed"
    await _doctor(world)


async def test_a_stop_while_names_are_looked_up_ends_all_that_is_placed_then(world: World, monkeypatch) -> None:
    resolve = world.network.resolve

    async def slowly(names):
        async with world.db.begin() as tx:
            now = await world.clock.now(tx)
            await runs.cancel_occurrence(tx, occurrence, operator_id=world.admin.operator_id, now=now)
        return await resolve(names)

    monkeypatch.setattr(world.network, "resolve", slowly)
    world.network.machines = {"10.4.0.1": good}
    job = await world.job("10.4.0.1-3")
    occurrence = await world.begin(job)
    await world.work(occurrence)
    assert set((await world.ends(occurrence)).values()) == {("skipped", "cancelled")}
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "cancelled")
    assert world.network.seen == []
    await _doctor(world)


async def test_a_stop_when_the_worker_is_dead_is_done_by_the_next_one(world: World) -> None:
    arrived = asyncio.Event()

    async def dies(visit: Visit) -> Installed:
        async with visit.story.task("upload"):
            arrived.set()
            await asyncio.sleep(3600)
        raise AssertionError

    world.network.machines = {"10.4.0.1": dies}
    job = await world.job("10.4.0.1-2", component={"concurrency": 1})
    occurrence = await world.begin(job)
    async with asyncio.TaskGroup() as group:
        dying = group.create_task(world.work(occurrence))
        await arrived.wait()
        dying.cancel()
    async with world.db.begin() as tx:
        await runs.cancel_occurrence(tx, occurrence, operator_id=None, now=await world.clock.now(tx))
    assert (await world.occurrence(job, occurrence)).state == "open"
    await world.work(occurrence)
    assert (await world.ends(occurrence))["10.4.0.1"] == ("skipped", "cancelled")
    assert (await world.occurrence(job, occurrence)).outcome == "cancelled"
    await _doctor(world)


async def test_two_schedulers_follow_decisions_once(world: World) -> None:
    world.network.machines = dict.fromkeys((f"10.4.0.{number}" for number in range(1, 9)), good)
    occurrence = await world.begin(await world.job("10.4.0.1-8", component={"concurrency": 8}))
    await world.work(occurrence)
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        for request in (await agents.list_requests(tx, world.admin, limit=20)).items:
            await agents.approve(tx, world.admin, request.id, now=now)
    assert sum(await asyncio.gather(*(_follow(world) for _ in range(4)))) == 8
    assert set((await world.ends(occurrence)).values()) == {("approved", None)}
    await _doctor(world)


async def test_of_several_instants_that_are_owed_one_runs_at_a_time(world: World) -> None:
    from datetime import timedelta

    from watchbill import jobs as saved
    from watchbill.runs.planning import opening

    job = await world.job("10.4.0.1", schedule={"type": "hourly"}, policies={"catch_up": "all"})
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        settings = await saved.due_settings(tx, job)
        hours = [now.replace(microsecond=0) - timedelta(hours=number) for number in range(4)]
        owed = [opening(settings, "schedule", hour, now=now) for hour in hours]
        assert len(await runs.open_occurrences(tx, owed, now)) == 4
        assert await runs.open_occurrences(tx, owed, now) == set()
        states = (await tx.execute(text("SELECT state FROM occurrences ORDER BY scheduled_for_at"))).scalars().all()
    assert states == ["open", "skipped", "skipped", "skipped"]
    await _doctor(world)


async def test_the_key_that_the_machine_showed_is_the_one_that_is_trusted(world: World) -> None:
    keys = {22: "ssh-ed25519 AAAA", 2222: "ssh-ed25519 BBBB"}

    async def shows(visit: Visit) -> Installed:
        assert await visit.engine.check_host_key(keys[visit.machine.ports.ssh]) is None
        return await good(visit)

    world.network.machines = {"10.4.0.1": shows}
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        from watchbill.runs import onboarding as rows

        await rows.distrust(tx, world.site_id, "10.4.0.1", 22, keys[22], now)
    job = await world.job("10.4.0.1", component={"ssh_port": 2222})
    occurrence = await world.begin(job)
    await world.work(occurrence)
    async with world.db.begin() as tx:
        (request,) = (await agents.list_requests(tx, world.admin, limit=20)).items
        await agents.approve(tx, world.admin, request.id, now=await world.clock.now(tx))
    await _follow(world)
    async with world.db.begin() as tx:
        assert (await tx.execute(text("SELECT key FROM device_host_keys"))).scalars().all() == [keys[2222]]


async def test_a_code_is_for_one_machine_once_and_for_an_hour(world: World) -> None:
    from datetime import timedelta

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from watchbill.kit.errors import ForbiddenError

    world.network.machines = {}
    occurrence = await world.begin(await world.job("10.4.0.1"))
    await world.work(occurrence)
    target = (await world.rows(occurrence))["10.4.0.1"].id
    key = Ed25519PrivateKey.generate()
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        first = await agents.issue_code(tx, world.site_id, target, now)
        second = await agents.issue_code(tx, world.site_id, target, now)

    async def is_taken(code: str, of: Ed25519PrivateKey, later: timedelta = timedelta()) -> bool:
        async with world.db.begin() as tx:
            try:
                await ask(tx, code, "one", of, None, now + later)
            except ForbiddenError:
                return False
        return True

    assert not await is_taken(first, key)  # another was issued after it
    assert not await is_taken(second, key, timedelta(hours=1))
    assert await is_taken(second, key)
    assert await is_taken(second, key, timedelta(minutes=59))
    assert not await is_taken(second, Ed25519PrivateKey.generate())
    async with world.db.begin() as tx:
        third = await agents.issue_code(tx, world.site_id, target, now)
        await tx.execute(text("UPDATE onboarding_targets SET approval_id = NULL"))
        await tx.execute(text("DELETE FROM occurrences"))
    assert not await is_taken(third, Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    ("reason", "waits"), [(OnboardingReason.STEP_FAILED, False), (OnboardingReason.CONNECTION_LOST, True)]
)
async def test_what_was_taken_back_asks_for_nothing_any_more(
    world: World, reason: OnboardingReason, waits: bool
) -> None:
    """Its agent had asked, and then the install failed: approving that would make a device of nothing."""

    async def half(visit: Visit) -> Installed:
        await visit.enrol("half")
        raise OnboardingError(OnboardingState.FAILED, reason, "It went no further.")

    world.network.machines = {"10.4.0.1": half}
    occurrence = await world.begin(await world.job("10.4.0.1"))
    await world.work(occurrence)
    async with world.db.begin() as tx:
        now = await world.clock.now(tx)
        await runs.follow_approvals(tx, now)
        asked = (await agents.list_requests(tx, world.admin, limit=10)).items
    assert [(one.state.value, one.reason) for one in asked] == [
        ("pending", None) if waits else ("denied", "The install was taken back.")
    ]
    end = (await world.ends(occurrence))["10.4.0.1"]
    assert end == (("waiting_approval", None) if waits else ("failed", "step_failed"))
