"""Playbooks through HTTP: saved only when Ansible takes them, with their trees, from and to archives, and in jobs."""

import asyncio
import hashlib
import io
import zipfile

import pytest
from sqlalchemy import text

from tests.api import conftest
from watchbill import assemblies
from watchbill.api.playbook_zips import IMPORT
from watchbill.kit.errors import ConflictError

PATH, STORE = "/api/assemblies", "/api/assembly_files"
PLAY = "- hosts: all\n  roles: [web]\n"
TASKS = b"- name: Say\n  ansible.builtin.debug: {msg: x}\n"
PLAYBOOK = {"name": "Set up", "kind": "playbook", "content": PLAY}


def codes(reply):
    return set(conftest.codes(reply).items())


async def stored(client, content):
    reply = await client.post(STORE, content=content)
    assert reply.status_code == 201, reply.text
    return reply.json()["sha256"]


async def listed(client, **contents):
    return [{"name": name, "sha256": await stored(client, data)} for name, data in contents.items()]


async def tree(client, tasks=TASKS):
    return [{"name": "roles/web/tasks/main.yml", "sha256": await stored(client, tasks)}]


async def made(client, **changes):
    reply = await client.post(PATH, json=PLAYBOOK | {"files": await tree(client)} | changes)
    assert reply.status_code == 201, reply.text
    return reply.json()


def zipped(**entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


async def test_a_playbook_is_saved_with_its_tree_when_ansible_takes_it(operator, viewer):
    saved = await made(operator)
    assert (saved["kind"], saved["interpreter"], saved["revision"], saved["collections"]) == ("playbook", None, 1, [])
    got = await viewer.get(f"{PATH}/{saved['id']}/files/roles/web/tasks/main.yml")
    assert (got.status_code, got.content) == (200, TASKS)
    page = (await viewer.get(PATH, params={"kind": "playbook"})).json()["items"]
    assert [one["name"] for one in page] == ["Set up"]
    assert (await viewer.get(PATH, params={"kind": "script"})).json()["items"] == []


async def test_what_ansible_refuses_is_not_saved_and_has_its_place(operator, db):
    body = PLAYBOOK | {"files": await tree(operator, b"- name: x\n  no.such.module: {}\n")}
    reply = await operator.post(PATH, json=body)
    assert reply.status_code == 422, reply.text
    [problem] = reply.json()["errors"]
    assert (problem["field"], problem["code"]) == ("files.roles/web/tasks/main.yml", "syntax")
    assert problem["message"].startswith("line 1, column 3: couldn't resolve module/action 'no.such.module'")
    async with db.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM assemblies"))).scalar_one() == 0


async def test_all_that_can_be_seen_without_ansible_is_told_at_once(operator):
    reply = await operator.post(
        PATH, json=PLAYBOOK | {"name": "", "content": "- hosts: a\n  hosts: b\n", "interpreter": "sh"}
    )
    assert codes(reply) == {("name", "length"), ("content", "repeated_key"), ("interpreter", "not_allowed")}


async def test_a_change_is_checked_and_one_that_touches_no_syntax_is_not(operator, app):
    saved = await made(operator)
    at = f"{PATH}/{saved['id']}"
    wrong = await operator.put(at, json=PLAYBOOK | {"content": "- hosts: all\n  roles: [db]\n"})
    assert codes(wrong) == {("content", "syntax")}
    looked = []

    class Seen:
        async def check(self, draft, lay_out):
            looked.append(draft)
            return []

    app.state.checks = Seen()
    renamed = await operator.put(at, json=PLAYBOOK | {"name": "Renamed", "description": "x"})
    assert (renamed.json()["revision"], len(renamed.json()["files"]), looked) == (2, 1, [])
    changed = await operator.put(at, json=PLAYBOOK | {"name": "Renamed", "content": PLAY + "# \n"})
    assert (changed.json()["revision"], len(looked)) == (3, 1)


async def test_files_are_attached_and_taken_away_by_their_paths_and_the_playbook_stays_sound(operator):
    saved = await made(operator)
    at = f"{PATH}/{saved['id']}/files"
    digest = await stored(operator, b"x: 1\n")
    attached = await operator.put(f"{at}/roles/web/vars/main.yml", json={"sha256": digest})
    assert [one["name"] for one in attached.json()["files"]] == ["roles/web/tasks/main.yml", "roles/web/vars/main.yml"]
    refused = await operator.put(f"{at}/filter_plugins/x.py", json={"sha256": digest})
    assert codes(refused) == {("name", "not_allowed")}
    gone = await operator.delete(f"{at}/roles/web/tasks/main.yml")
    assert gone.status_code == 200, gone.text
    again = await operator.delete(f"{at}/roles/web/vars/main.yml")
    assert codes(again) == {("content", "syntax")}  # nothing is left of the role
    assert (await operator.get(f"{PATH}/{saved['id']}")).json()["revision"] == 3


async def test_an_assembly_stays_the_kind_that_it_is(operator):
    saved = await made(operator)
    script = {"name": "Set up", "interpreter": "bash", "content": "true", "files": []}
    reply = await operator.put(f"{PATH}/{saved['id']}", json=script)
    assert codes(reply) == {("kind", "not_allowed")}
    imported = "name: Set up\nkind: script\ninterpreter: bash\ncontent: 'true'\nfiles: []\n"
    reply = await operator.post(f"{PATH}/import", content=imported, headers={"Content-Type": "text/yaml"})
    assert codes(reply) == {("kind", "not_allowed")}


async def test_a_check_tells_what_a_save_would_and_saves_nothing(operator, viewer, db):
    saved = await made(operator)
    sound = await operator.post(f"{PATH}/check", json=PLAYBOOK, params={"assembly_id": saved["id"]})
    assert sound.json() == {"problems": []}
    taken = await operator.post(f"{PATH}/check", json=PLAYBOOK | {"content": "- hosts: all\n"})
    assert [one["field"] for one in taken.json()["problems"]] == ["name"]
    wrong = await operator.post(f"{PATH}/check", json=PLAYBOOK | {"name": "New"})
    [problem] = wrong.json()["problems"]
    assert (problem["field"], problem["message"][:17]) == ("content", "line 2, column 11")
    script = await operator.post(f"{PATH}/check", json={"name": "S", "content": "true"})
    assert [one["field"] for one in script.json()["problems"]] == ["interpreter"]
    assert (await viewer.post(f"{PATH}/check", json=PLAYBOOK)).status_code == 403
    async with db.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM assembly_revisions"))).scalar_one() == 1


async def test_a_viewer_does_not_make_ansible_look(viewer, app):
    app.state.checks = None
    assert (await viewer.post(PATH, json=PLAYBOOK | {"content": "- hosts: all\n"})).status_code == 403


async def test_a_save_repeated_with_its_key_is_one_save(operator):
    headers = {"Idempotency-Key": "again"}
    body = PLAYBOOK | {"content": "- hosts: all\n"}
    first, second = [await operator.post(PATH, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


async def test_no_connection_is_held_while_playbooks_are_checked(operator, deps, app):
    """More saves at once than the pool has connections, each waiting for its check: others are answered meanwhile."""
    began, go_on = asyncio.Semaphore(0), asyncio.Event()

    class Slow:
        async def check(self, draft, lay_out):
            began.release()
            await go_on.wait()
            return []

    app.state.checks = Slow()
    async with asyncio.TaskGroup() as group:
        saves = [
            group.create_task(operator.post(PATH, json=PLAYBOOK | {"name": f"P{n}", "content": "- hosts: all\n"}))
            for n in range(12)
        ]
        for _ in saves:
            await began.acquire()
        assert (await operator.get(PATH)).status_code == 200
        go_on.set()
    assert [one.result().status_code for one in saves] == [201] * 12


async def test_a_playbook_that_changed_while_it_was_checked_is_checked_again(operator, app):
    saved = await made(operator)
    at = f"{PATH}/{saved['id']}/files"
    real, digests = (
        app.state.checks,
        [await stored(operator, b"- ansible.builtin.ping: {}\n"), await stored(operator, b"a: 1\n")],
    )
    looked = []

    class Disturbed:
        async def check(self, draft, lay_out):
            looked.append(sorted(one.name for one in draft.files))
            if len(looked) == 1:
                app.state.checks = real
                assert (await operator.put(f"{at}/b.yml", json={"sha256": digests[1]})).status_code == 200
                app.state.checks = self
            return await real.check(draft, lay_out)

    app.state.checks = Disturbed()
    reply = await operator.put(f"{at}/a.yml", json={"sha256": digests[0]})
    assert reply.status_code == 200, reply.text
    assert [one["name"] for one in reply.json()["files"]] == ["a.yml", "b.yml", "roles/web/tasks/main.yml"]
    assert [len(one) for one in looked] == [2, 3]


async def test_the_catalogue_takes_no_playbook_that_nobody_has_looked_at(db, clock):
    from watchbill.identity import ENGINE

    async with db.begin() as tx:
        now = await clock.now(tx)
        with pytest.raises(ConflictError, match="has not been checked"):
            await assemblies.create(tx, ENGINE, PLAYBOOK | {"content": "- hosts: all\n"}, now=now)


async def test_a_revision_is_laid_out_in_a_folder(operator, db, tmp_path):
    saved = await made(
        operator,
        files=[*await tree(operator), *await listed(operator, **{"files/big": b"x" * (2 << 20), "files/none": b""})],
    )
    async with db.begin() as tx:
        main = await assemblies.write_tree(tx, saved["id"], 1, tmp_path)
    assert main.read_text() == PLAY
    assert (tmp_path / "roles/web/tasks/main.yml").read_bytes() == TASKS
    assert (tmp_path / "files/big").stat().st_size == 2 << 20
    assert (tmp_path / "files/none").read_bytes() == b""
    assert [one.stat().st_mode & 0o777 for one in (main, tmp_path / "files")] == [0o600, 0o700]


async def test_an_archive_becomes_a_playbook_and_comes_back_as_it_was(operator, viewer):
    about = "name: From afar\ncollections: []\nvariables:\n  - {name: port, type: number, default: 80}\n"
    sent = zipped(**{"repo/site.yml": PLAY, "repo/roles/web/tasks/main.yml": TASKS, "repo/watchbill.yml": about})
    reply = await operator.post(IMPORT, content=sent)
    assert reply.status_code == 201, reply.text
    saved = reply.json()
    assert (saved["name"], saved["content"], saved["variables"][0]["name"]) == ("From afar", PLAY, "port")
    assert [(one["name"], one["sha256"]) for one in saved["files"]] == [
        ("roles/web/tasks/main.yml", hashlib.sha256(TASKS).hexdigest())
    ]
    got = await viewer.get(f"{PATH}/{saved['id']}/export_zip")
    assert (got.status_code, got.headers["content-type"]) == (200, "application/zip")
    again = await operator.post(IMPORT, content=got.content)
    assert (again.status_code, again.json()["revision"]) == (200, 1)
    changed = await operator.post(
        IMPORT, params={"name": "From afar"}, content=zipped(**{"playbook.yml": "- hosts: all\n"})
    )
    assert (changed.status_code, changed.json()["revision"], changed.json()["files"]) == (200, 2, [])


async def test_an_archive_is_refused_by_what_is_in_it(operator, viewer):
    assert codes(await operator.post(IMPORT, content=b"no zip")) == {("file", "not_a_zip")}
    sent = zipped(**{"playbook.yml": PLAY, "../up": b"", "/root": b""})
    assert codes(await operator.post(IMPORT, content=sent)) == {
        ("file.../up", "invalid_name"),
        ("file./root", "invalid_name"),
    }
    nameless = await operator.post(IMPORT, content=zipped(**{"playbook.yml": "- hosts: all\n"}))
    assert codes(nameless) == {("name", "required")}
    broken = await operator.post(IMPORT, params={"name": "X"}, content=zipped(**{"playbook.yml": PLAY}))
    assert codes(broken) == {("content", "syntax")}
    assert (await viewer.post(IMPORT, content=sent)).status_code == 403
    large = await operator.post(IMPORT, content=b"x" * (32 * 1024 * 1024 + 1))
    assert large.status_code == 413


async def test_only_a_playbook_is_an_archive(operator):
    script = (await operator.post(PATH, json={"name": "S", "interpreter": "bash", "content": "true"})).json()
    reply = await operator.get(f"{PATH}/{script['id']}/export_zip")
    assert (reply.status_code, reply.json()["code"]) == (409, "not_a_playbook")


async def job_of(operator, make_device, world, saved):
    device_id = await make_device("web-1", world.site_a)
    return {
        "name": "Set up all",
        "components": [{"assembly_id": saved["id"], "kind": "playbook"}],
        "targets": [{"kind": "device", "device_id": str(device_id)}],
        "schedule": {"type": "daily", "start": "2027-05-05T07:00"},
    }


async def test_what_an_archive_brings_needs_what_its_jobs_need(operator, other, make_device, world):
    """Its jobs take each new revision: who saves one decides what runs on their devices."""
    saved = await made(operator, files=[], content="- hosts: all\n")
    job = await job_of(operator, make_device, world, saved)
    preview = (await operator.post("/api/scheduled_jobs/preview", json=job)).json()
    assert [one for one in preview["blockers"] if one["field"].startswith("components")] == []
    reply = await operator.post("/api/scheduled_jobs", json=job)
    assert (reply.status_code, reply.json()["execution_context"]) == (201, "ssh_individual")
    sent = zipped(**{"playbook.yml": "- hosts: all\n  gather_facts: false\n"})
    refused = await other.post(IMPORT, params={"name": "Set up"}, content=sent)
    assert (refused.status_code, refused.json()["code"]) == (403, "assembly_used_elsewhere")


async def test_a_secret_of_a_playbook_needs_no_key_of_a_device(operator, make_device, world, db):
    secret = [{"name": "token", "type": "secret", "required": True}]
    saved = await made(operator, files=[], content="- hosts: all\n", variables=secret)
    job = await job_of(operator, make_device, world, saved)
    job["components"][0]["variables"] = {"token": "hush"}
    async with db.begin() as tx:
        await tx.execute(text("UPDATE devices SET sealing_key = NULL"))
    targets = (await operator.post("/api/scheduled_jobs/preview", json=job)).json()["targets"]
    assert (targets["devices"], targets["left_out"], targets["lacking"]) == (1, {}, {})
    script = {"name": "S", "interpreter": "bash", "content": "true", "variables": secret}
    script_id = (await operator.post(PATH, json=script)).json()["id"]
    job["components"] = [{"assembly_id": script_id, "variables": {"token": "hush"}}]
    targets = (await operator.post("/api/scheduled_jobs/preview", json=job)).json()["targets"]
    assert targets["left_out"] or targets["lacking"]


async def test_what_runs_from_the_engine_needs_the_right_to_run_as_system(operator, admin, make_device, world):
    saved = await made(operator, files=[], content="- hosts: all\n")
    job = await job_of(operator, make_device, world, saved)
    kept = (await operator.post("/api/scheduled_jobs", json=job)).json()
    denied = {"denied_permissions": ["run_as_system"]}
    assert (await admin.patch(f"/api/operators/{world.operator.id}", json=denied)).status_code == 200
    content = {"content": "- hosts: all\n  gather_facts: false\n", "files": []}
    assert (await operator.put(f"{PATH}/{saved['id']}", json=PLAYBOOK | content)).status_code == 403
    assert (await operator.post("/api/scheduled_jobs", json=job | {"name": "Another"})).status_code == 403
    shown = (await operator.get(f"/api/scheduled_jobs/{kept['id']}")).json()["allowed_actions"]
    assert {one["action"] for one in shown if not one["allowed"]} >= {"update", "rerun"}
