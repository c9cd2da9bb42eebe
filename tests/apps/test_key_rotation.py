"""The key ring gets a new active key: everything that is kept is sealed anew, so that the old key can be taken away."""

from typing import Any

from sqlalchemy import text

from tests.credentials.conftest import ssh
from tests.factories import places
from tests.factories.logins import revealed
from tests.factories.scene import Scene
from tests.notifications.conftest import channel_draft
from watchbill import agents, assemblies, credentials, jobs, notifications, runs, sites
from watchbill.apps import sealed
from watchbill.apps.keys import reseal
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing, Secret
from watchbill.notifications.channels import open_endpoint

SECRET = "correct-horse-battery-staple"
NEW = bytes(range(32))
#: Every column that holds something sealed, but for replies that are kept for a day.
_SEALED = text("""
SELECT definition::text FROM jobs
UNION ALL SELECT variables::text FROM job_components UNION ALL SELECT components::text FROM runs
UNION ALL SELECT sealed::text FROM credentials
UNION ALL SELECT sealed FROM variable_values UNION ALL SELECT sealed FROM notification_channels
UNION ALL SELECT enrolment_code_sealed FROM sites WHERE id = :site UNION ALL SELECT private_key_sealed FROM engine_keys
""")


async def test_nothing_needs_the_old_key_any_more(db: Database, scene: Scene) -> None:
    old, admin, now = scene.keys, scene.admin, scene.now
    both, new = KeyRing("k2", {**old.keys, "k2": NEW}), KeyRing("k2", {"k2": NEW})
    async with db.begin() as tx:
        await agents.ensure_signing_key(tx, old, now)
        here = await places.make_site(tx, "Lighthouse", now=now, keys=old)
        await scene.device(tx, "web-1")
        declared = [{"name": "TOKEN", "type": "secret"}, {"name": "MODE", "type": "string"}]
        script = {"name": "Sign in", "interpreter": "bash", "content": "true", "variables": declared}
        assembly = (await assemblies.create(tx, admin, script, now=now)).id
        part = {"assembly_id": str(assembly), "variables": {"TOKEN": SECRET, "MODE": "soft"}}
        job = await scene.job(tx, "web-1", components=[part, part])
        kept = {"assembly_id": str(assembly), "variables": {"TOKEN": {"is_set": True}, "MODE": "hard"}}
        again = {
            "name": "Clear print spool",
            "components": [kept, part],
            "targets": [{"kind": "device", "device_id": str(scene.devices["web-1"])}],
            "schedule": scene.every("every_5_minutes"),
        }
        await jobs.update(tx, admin, await jobs.lock(tx, admin, job), again, keys=old, now=now)
        occurrence = await scene.open(tx, job)
        hook = channel_draft(url=Secret(f"https://sink.test/{SECRET}"))
        credential = (await credentials.create(tx, admin, ssh(password=SECRET), keys=old, now=now)).id
        channel = (await notifications.create_channel(tx, admin, hook, keys=old, now=now)).channel

    async with db.begin() as tx:
        assert await reseal(tx, old) == 0
        told = {"credentials", "enrolment codes", "jobs", "notification channels", "runs under way", "signing keys"}
        before = await sealed.by_key(tx)
        assert before["k1"].keys() >= told
        assert await reseal(tx, both) == 6, "a signing key, a site, a job, its run, a channel and a credential"
        assert (await sealed.by_key(tx))["k2"].items() >= {name: before["k1"][name] for name in told}.items() - {
            ("enrolment codes", before["k1"]["enrolment codes"])
        }
        assert await reseal(tx, both) == 0
        assert not [one for one in (await tx.execute(_SEALED, {"site": here})).scalars() if one and "wb1.k1." in one]

    async with db.begin() as tx:
        stored = (await tx.execute(text("SELECT position, variables FROM job_components ORDER BY position"))).all()
        for row, mode in zip(stored, ("hard", "soft"), strict=True):
            assert jobs.open_variables(new, job, row.position, row.variables) == {"TOKEN": SECRET, "MODE": mode}
        definition = (await jobs.get(tx, admin, job)).definition
        assert [part["variables"] for part in definition["components"]] == [row.variables for row in stored]
        [run] = await runs.runs_of(tx, [occurrence])
        parts: Any = (await runs.contents(tx, [run.id]))[run.id].components
        for place, (frozen, mode) in enumerate(zip(parts, ("hard", "soft"), strict=True)):
            assert jobs.open_variables(new, job, place, frozen["variables"]) == {"TOKEN": SECRET, "MODE": mode}
        endpoint = open_endpoint(await notifications.get_channel(tx, admin, channel.id), new)
        assert endpoint.url == f"https://sink.test/{SECRET}"
        site = await sites.get_site(tx, admin, here)
        code = sites.enrolment_code(new, admin, site)
        assert code is not None
        assert revealed((await credentials.open_for_use(tx, new, credential)).password) == SECRET
        assert (await agents.load_signer(tx, new)).key_id


async def test_the_status_counts_every_column_of_envelopes(db: Database) -> None:
    """A column of envelopes has `sealed` in its name; those of jobs and runs lie inside of documents."""
    query = text("""
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name LIKE '%sealed%' AND data_type IN ('text', 'jsonb')
    """)
    async with db.begin() as tx:
        columns = [(row.table_name, row.column_name) for row in await tx.execute(query)]
    counted = str(sealed.COUNT)
    assert ("credentials", "sealed") in columns
    missing = [one for one in columns if not all(name in counted for name in one)]
    assert missing == [], "watchbill.apps.sealed does not count these"
