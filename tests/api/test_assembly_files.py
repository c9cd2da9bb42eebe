"""Files through HTTP: streamed in and out, each content once, attached and detached by revisions, and removed when nothing needs them."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.api import jobs as jobs_of
from tests.api.conftest import codes
from watchbill import assemblies, runs
from watchbill.core.file_rules import MAX_FILES_BYTES

MIB = 1024 * 1024
PATH, STORE = "/api/assemblies", "/api/assembly_files"
SCRIPT = {"name": "Carry", "interpreter": "bash", "content": "true"}
LIMIT = 3 * MIB


@pytest.fixture
def settings(settings):
    return replace(settings, file_limit_bytes=LIMIT)


async def stored(client, content):
    reply = await client.post(STORE, content=content)
    assert reply.status_code == 201, reply.text
    assert reply.json() == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return reply.json()["sha256"]


async def script(client, **contents):
    files = [{"name": name, "sha256": await stored(client, one)} for name, one in contents.items()]
    reply = await client.post(PATH, json=SCRIPT | {"files": files})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def number_of(db, table):
    async with db.begin() as tx:
        return (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()


async def drips(content: bytes, size: int) -> AsyncIterator[bytes]:
    for place in range(0, len(content), size):
        yield content[place : place + size]


@pytest.mark.parametrize("number", [0, 1, MIB, MIB + 1, 2 * MIB + 77])
async def test_a_file_comes_back_as_it_was_sent_whatever_its_size(operator, viewer, number):
    content = bytes(range(256)) * (number // 256 + 1)
    content = content[:number]
    made = await script(operator, **{"data.bin": content})
    assert made["files"] == [{"name": "data.bin", "sha256": hashlib.sha256(content).hexdigest(), "size": number}]
    reply = await viewer.get(f"{PATH}/{made['id']}/files/DATA.BIN")
    assert (reply.status_code, reply.content) == (200, content)
    assert reply.headers["content-length"] == str(number)
    assert reply.headers["etag"] == f'"{made["files"][0]["sha256"]}"'
    assert "data.bin" in reply.headers["content-disposition"]


async def test_the_same_content_is_stored_once_however_it_comes(operator, other, db):
    content = bytes(MIB + 5)
    first = await stored(operator, content)
    reply = await other.post(STORE, content=drips(content, 70_001))
    assert reply.json()["sha256"] == first
    made = await script(operator, a=content, b=content)
    await operator.put(f"{PATH}/{made['id']}", json=SCRIPT | {"content": "false"})
    assert (await number_of(db, "file_contents"), await number_of(db, "file_pieces")) == (1, 2)


async def test_what_is_too_large_is_refused_with_the_limit_and_leaves_nothing(operator, db):
    for content in (bytes(LIMIT + 1), drips(bytes(LIMIT + 1), 100_000)):
        reply = await operator.post(STORE, content=content)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
        assert str(LIMIT) in reply.json()["detail"]
    assert await number_of(db, "file_contents") == 0
    assert len(await stored(operator, bytes(LIMIT))) == 64


async def test_together_the_files_of_an_assembly_have_a_limit_too(operator, db):
    digest = await stored(operator, b"large")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE file_contents SET size = :size"), {"size": MAX_FILES_BYTES // 3 + 1})
    files = [{"name": name, "sha256": digest} for name in ("a", "b", "c")]
    reply = await operator.post(PATH, json=SCRIPT | {"files": files})
    assert codes(reply) == {"files": "too_large"}
    assert str(MAX_FILES_BYTES) in reply.json()["errors"][0]["message"]


async def test_every_fault_of_files_is_told_with_those_of_the_assembly(operator):
    digest = await stored(operator, b"one")
    files = [
        {"name": "nul.txt", "sha256": digest},
        {"name": "a", "sha256": "0" * 64},
        {"name": "A", "sha256": digest, "size": 99},
    ]
    reply = await operator.post(PATH, json=SCRIPT | {"interpreter": "perl", "files": files})
    assert codes(reply) == {
        "interpreter": "not_allowed",
        "files.0.name": "reserved_name",
        "files.1.sha256": "file_not_found",
        "files.2.name": "duplicate",
        "files.2.size": "not_allowed",
    }


async def test_attaching_and_detaching_make_revisions_and_earlier_ones_keep_theirs(operator):
    made = await script(operator, tool=b"old")
    path = f"{PATH}/{made['id']}"
    newer = {"sha256": await stored(operator, b"new")}
    late = await operator.put(f"{path}/files/tool", json=newer, headers={"if-match": '"7"'})
    assert late.status_code == 412
    second = (await operator.put(f"{path}/files/TOOL", json=newer, headers={"if-match": '"1"'})).json()
    same = (await operator.put(f"{path}/files/TOOL", json=newer)).json()
    third = (await operator.delete(f"{path}/files/tool")).json()
    assert [one["revision"] for one in (second, same, third)] == [2, 2, 3]
    assert ([one["name"] for one in second["files"]], third["files"]) == (["TOOL"], [])
    assert (await operator.delete(f"{path}/files/tool")).status_code == 404
    assert (await operator.get(f"{path}/files/tool")).status_code == 404
    assert (await operator.get(f"{path}/files/tool", params={"revision": 1})).content == b"old"
    listed = (await operator.get(f"{path}/files", params={"revision": 2})).json()
    assert (listed["revision"], listed["items"][0]["is_stored"]) == (2, True)


async def test_a_bad_name_or_an_unknown_content_is_not_attached(operator):
    made = await script(operator)
    reply = await operator.put(f"{PATH}/{made['id']}/files/com1.txt", json={"sha256": "x"})
    assert codes(reply) == {"name": "reserved_name", "sha256": "file_not_found"}


async def test_a_script_that_is_saved_without_a_word_of_files_keeps_them(operator):
    made = await script(operator, tool=b"tool")
    path = f"{PATH}/{made['id']}"
    put = (await operator.put(path, json=SCRIPT | {"content": "false"})).json()
    assert put["files"] == made["files"]
    yaml = {"content-type": "text/yaml"}
    told = "name: Carry\ninterpreter: bash\ncontent: reboot\n"
    assert (await operator.post(f"{PATH}/import", content=told, headers=yaml)).json()["files"] == made["files"]
    exported = (await operator.get(f"{path}/export")).text
    assert (await operator.post(f"{PATH}/import", content=exported, headers=yaml)).json()["revision"] == 3
    assert (await operator.put(path, json=SCRIPT | {"files": []})).json()["files"] == []


async def test_a_content_that_was_damaged_is_mended_by_storing_it_again(operator, db):
    made = await script(operator, tool=b"tool")
    path = f"{PATH}/{made['id']}/files/tool"
    async with db.begin() as tx:
        await tx.execute(text("DELETE FROM file_pieces"))
    gone = await operator.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "file_not_kept")
    await stored(operator, b"tool")
    assert (await operator.get(path)).content == b"tool"


async def swept(db, now):
    """As the housekeeper does it."""
    async with db.begin() as tx:
        in_use = await runs.revisions_in_use(tx, await assemblies.earlier_revisions(tx))
        return list(await assemblies.remove_unused(tx, in_use, now))


async def test_what_nothing_refers_to_goes_after_its_time_and_what_a_job_pins_stays(admin, fleet, db, clock):
    made = await script(admin, tool=b"pinned")
    path = f"{PATH}/{made['id']}"
    await admin.put(f"{path}/files/tool", json={"sha256": await stored(admin, b"between 2")})
    await admin.put(f"{path}/files/tool", json={"sha256": await stored(admin, b"the latest one")})
    await stored(admin, b"never attached")
    pinned = jobs_of.job(fleet) | {"components": [{"assembly_id": made["id"], "revision": 1}]}
    reply = await admin.post("/api/scheduled_jobs", json=pinned)
    assert reply.status_code == 201, reply.text
    async with db.begin() as tx:
        now = await clock.now(tx)
    assert await swept(db, now) == []
    assert await swept(db, now + assemblies.UNUSED_FOR - timedelta(minutes=1)) == []
    assert sorted(await swept(db, now + assemblies.UNUSED_FOR + timedelta(minutes=1))) == [9, 14]
    assert (await admin.get(f"{path}/files/tool", params={"revision": 1})).content == b"pinned"
    assert (await admin.get(f"{path}/files/tool")).content == b"the latest one"
    # The revision stays, and says that it cannot be run any more.
    listed = (await admin.get(f"{path}/files", params={"revision": 2})).json()["items"]
    assert (listed[0]["size"], listed[0]["is_stored"]) == (9, False)
    late = await admin.post(
        "/api/scheduled_jobs", json=pinned | {"components": [{"assembly_id": made["id"], "revision": 2}]}
    )
    assert codes(late) == {"components.0.revision": "files_not_kept"}


async def test_what_a_run_has_frozen_stays_and_what_is_attached_again_counts_anew(admin, fleet, db, clock):
    made = await script(admin, tool=b"ran")
    body = jobs_of.job(fleet) | {"components": [{"assembly_id": made["id"]}]}
    job = (await admin.post("/api/scheduled_jobs", json=body)).json()
    assert (await admin.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={"targets": "all"})).status_code == 202
    path = f"{PATH}/{made['id']}/files/tool"
    await admin.put(path, json={"sha256": await stored(admin, b"other")})
    again = await stored(admin, b"again")
    async with db.begin() as tx:
        now = await clock.now(tx)
    assert await swept(db, now + assemblies.UNUSED_FOR - timedelta(hours=1)) == []
    await admin.put(path, json={"sha256": again})
    await swept(db, now + assemblies.UNUSED_FOR)
    assert await swept(db, now + 3 * assemblies.UNUSED_FOR) == [len(b"other")]
    assert (await admin.get(path, params={"revision": 1})).content == b"ran"
