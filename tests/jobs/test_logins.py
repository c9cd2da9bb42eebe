"""Jobs that sign in with a credential: who uses it, and what becomes of them when nothing can sign in with it any more."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories.logins import lose, make_credential, sign_in_with
from watchbill import credentials, jobs
from watchbill.core.job_rules import read
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.identity import audit
from watchbill.jobs import JobFilter
from watchbill.jobs.logins import login_facts
from watchbill.kit.errors import ConflictError


@pytest.fixture
async def credential(tx, world, keys):
    return await make_credential(tx, "Fleet root", keys=keys, now=world.now)


@pytest.fixture
def make(tx, world, keys, credential):
    async def made(**changes):
        job = (await jobs.create(tx, world.admin, world.job(**changes), keys=keys, now=world.now)).job
        await sign_in_with(tx, job.id, credential)
        return job.id

    return made


async def get(tx, world, job_id):
    return await jobs.get(tx, world.admin, job_id)


async def test_a_lost_key_pauses_the_jobs_that_need_it_with_the_reason_and_no_others(tx, world, make, keys):
    job, other = await make(), (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job.id
    assert await jobs.pause_locked(tx, world.now) == 0
    await lose(tx)
    assert await jobs.pause_locked(tx, world.now) == 1
    assert await jobs.pause_locked(tx, world.now) == 0, "once is enough"
    found = await get(tx, world, job)
    assert (found.enabled, found.state, found.next_due_at, found.revision) == (False, "paused", None, 2)
    assert "“Fleet root” must be given its secrets anew" in found.state_reason
    assert found.definition["enabled"] is False
    assert (await get(tx, world, other)).enabled
    trail = await audit.list_entries(tx, world.admin, audit.Filter(action="job.toggle"), limit=5)
    assert [(one.actor, one.object_id) for one in trail.items] == [("engine", str(job))]


async def test_what_fell_due_while_nothing_could_sign_in_belongs_to_the_pause(tx, world, make):
    job = await make()
    before = await get(tx, world, job)
    await lose(tx)
    await jobs.pause_locked(tx, world.now + timedelta(hours=5))
    assert (await get(tx, world, job)).mark_at == before.mark_at


async def test_a_pause_that_would_have_ended_by_itself_does_not(tx, world, make):
    job = await make()
    until = (world.now + timedelta(hours=1)).isoformat()
    body = {"enabled": False, "reason": "holidays", "until": until}
    await jobs.toggle(tx, world.admin, await jobs.lock(tx, world.admin, job), body, now=world.now)
    await lose(tx)
    assert await jobs.pause_locked(tx, world.now) == 1
    assert await jobs.resume_paused(tx, world.now + timedelta(hours=2)) == 0
    found = await get(tx, world, job)
    assert (found.enabled, found.paused_until) == (False, None)


async def test_it_is_resumed_by_a_person_once_the_secret_is_given_anew(tx, world, make, keys, credential):
    job = await make()
    await lose(tx)
    await jobs.pause_locked(tx, world.now)

    async def resume():
        held = await jobs.lock(tx, world.admin, job)
        return await jobs.toggle(tx, world.admin, held, {"enabled": True}, now=world.now)

    with pytest.raises(ConflictError, match="Fleet root") as refused:
        await resume()
    assert refused.value.code == "credential_locked"
    locked = await get(tx, world, job)
    actions = {one.action: one for one in jobs.allowed_actions(world.admin, locked)}
    assert [actions[name].allowed for name in ("update", "toggle", "rerun", "delete")] == [True, False, False, True]
    assert "secrets anew" in str(actions["toggle"].reason)
    held = await credentials.lock(tx, world.admin, credential)
    anew = {"name": "Fleet root", "kind": "ssh", "username": "root", "password": "given anew"}
    await credentials.update(tx, world.admin, held, anew, keys=keys, now=world.now)
    assert not (await get(tx, world, job)).enabled, "nobody resumed it yet"
    assert (await resume()).job.enabled


async def test_many_at_once_come_with_the_credential_that_locks_them(tx, world, make):
    job = await make()
    await lose(tx)
    page = await jobs.list_jobs(tx, world.admin, JobFilter(), limit=10, cursor=None)
    assert [(one.id, one.locked_by) for one in page.items] == [(job, "Fleet root")]
    [held] = await jobs.hold_many(tx, world.admin, [job])
    assert held.locked_by == "Fleet root"
    with pytest.raises(ConflictError):
        await jobs.refuse_locked(tx, job)


async def test_who_uses_it_is_told_as_far_as_the_caller_sees_them(tx, world, make, credential):
    one = await make(name="Here")
    lamp = [{"kind": "device", "device_id": str(world.lamp)}]
    await make(name="There", targets=lamp)
    uses = await jobs.using_credential(tx, world.operator, credential)
    assert [(use.name, use.is_visible) for use in uses] == [("Here", True), ("There", False)]
    await jobs.delete(tx, world.admin, await jobs.lock(tx, world.admin, one), now=world.now)
    assert [use.name for use in await jobs.using_credential(tx, world.admin, credential)] == ["There"]


async def test_deleted_jobs_let_go_of_it_one_by_one_and_in_bulk(tx, world, make, credential):
    one, two = await make(), await make()
    await jobs.delete(tx, world.admin, await jobs.lock(tx, world.admin, one), now=world.now)
    await jobs.delete_many(tx, world.admin, await jobs.hold_many(tx, world.admin, [two]), now=world.now)
    held = await credentials.lock(tx, world.admin, credential)
    await credentials.remove(tx, world.admin, held, used_by=[], now=world.now)
    assert (await tx.execute(text("SELECT count(*) FROM credentials"))).scalar_one() == 0


async def test_a_save_knows_the_credential_as_its_writer_sees_it(tx, world, keys, credential):
    local = await make_credential(tx, "Lamp root", world.lighthouse, keys=keys, now=world.now)
    targets = [{"kind": "device", "device_id": str(one)} for one in (world.lamp, world.crane)]
    draft = replace(read(world.job(targets=targets)).draft, execution_context=ExecutionContext.SSH, credential_id=local)
    known = await login_facts(tx, world.admin, draft)
    assert known is not None
    assert (known.kind, known.site_id, known.is_locked, set(known.devices_there)) == (
        "ssh", world.lighthouse, False, {world.lamp},
    )  # fmt: skip
    assert await login_facts(tx, world.operator, draft) is None, "it is of a site that they do not see"
    await lose(tx)
    locked = await login_facts(tx, world.operator, replace(draft, credential_id=credential))
    assert locked is not None
    assert locked.is_locked
    assert await login_facts(tx, world.admin, replace(draft, credential_id=10**9)) is None
    assert await login_facts(tx, world.admin, replace(draft, credential_id=None)) is None


class TestFiles:
    """In a file a credential has its name, as long as that leads to one only."""

    async def test_a_file_names_it_and_reads_back_to_it(self, tx, world, make, keys):
        job = await get(tx, world, await make())
        file = await jobs.export_file(tx, world.admin, job)
        assert "\ncredential: Fleet root\n" in file
        plan = await jobs.plan_file(tx, world.admin, file, keys=keys, now=world.now)
        assert not [one for one in plan.problems if "credential" in one.field and one.code != "not_allowed"]

    async def test_by_its_number_where_another_has_its_name(self, tx, world, make, keys, credential):
        job = await get(tx, world, await make())
        await make_credential(tx, "fleet ROOT", world.harbour, keys=keys, now=world.now)
        assert f"\ncredential_id: {credential}\n" in await jobs.export_file(tx, world.admin, job)

    async def test_a_job_that_does_not_sign_in_says_nothing_of_it(self, tx, world, keys):
        job = (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job
        file = await jobs.export_file(tx, world.admin, job)
        assert "credential" not in file
        assert "service_account" not in file

    @pytest.mark.parametrize(("name", "code"), [("Nobody", "credential_not_found"), ("Twin", "credential_ambiguous")])
    async def test_a_name_that_leads_nowhere_or_to_two_is_told_at_its_line(self, tx, world, keys, name, code):
        for site_id in (None, world.harbour):
            await make_credential(tx, "Twin", site_id, keys=keys, now=world.now)
        job = (await jobs.create(tx, world.admin, world.job(name="Filed"), keys=keys, now=world.now)).job
        file = f"{await jobs.export_file(tx, world.admin, job)}credential: {name}\n"
        plan = await jobs.plan_file(tx, world.admin, file, keys=keys, now=world.now)
        assert [(one.field, one.code) for one in plan.problems] == [("credential", code)]
