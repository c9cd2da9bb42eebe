"""Every save that changes something is a new revision; files come back; a name belongs to one assembly in use."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from watchbill import assemblies
from watchbill.assemblies import AssemblyFilter
from watchbill.identity import ENGINE, EVERY_SITE, ROLE_PERMISSIONS, Actor, Role
from watchbill.kit.db import Database
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

VIEWER = Actor(None, "vera", Role.VIEWER, EVERY_SITE, ROLE_PERMISSIONS[Role.VIEWER])


def script(name="Clean up", **changes):
    return {
        "name": name,
        "interpreter": "bash",
        "content": "echo $Where",
        "variables": [{"name": "Where", "type": "string", "default": "here"}],
    } | changes


@pytest.fixture
async def tx(db: Database):
    async with db.begin() as tx:
        yield tx


@pytest.fixture
async def now(tx, clock):
    return await clock.now(tx)


async def test_a_saved_assembly_has_its_defaults_filled_in(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    assert (saved.revision, saved.draft.time_limit_seconds, saved.draft.warning_exit_codes) == (1, 3600, ())
    assert await assemblies.get(tx, VIEWER, saved.id) == saved


async def test_a_change_makes_a_revision_and_no_change_makes_none(tx, now):
    first = await assemblies.create(tx, ENGINE, script(), now=now)
    same = await assemblies.update(tx, ENGINE, first, script(), now=now)
    changed = await assemblies.update(tx, ENGINE, first, script(content="echo other"), now=now)
    renamed = await assemblies.update(tx, ENGINE, changed, script("Tidy", content="echo other"), now=now)
    assert [same.revision, changed.revision, renamed.revision] == [1, 2, 3]
    page = await assemblies.list_revisions(tx, VIEWER, first.id, limit=2, cursor=None)
    rest = await assemblies.list_revisions(tx, VIEWER, first.id, limit=2, cursor=page.next_cursor)
    assert [one.revision for one in [*page.items, *rest.items]] == [3, 2, 1]
    assert (await assemblies.get_revision(tx, VIEWER, first.id, 1)).draft == first.draft


async def test_a_stored_revision_cannot_be_changed_even_in_sql(tx, now):
    await assemblies.create(tx, ENGINE, script(), now=now)
    with pytest.raises(DBAPIError, match="append-only"):
        await tx.execute(text("UPDATE assembly_revisions SET content = '{}'"))


async def test_load_revisions_gives_what_exists(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    loaded = await assemblies.load_revisions(tx, [(saved.id, 1), (saved.id, 2), (uuid4(), 1)])
    assert list(loaded) == [(saved.id, 1)]
    assert loaded[saved.id, 1].draft.content == "echo $Where"


async def test_a_name_is_taken_whatever_its_case_until_its_owner_is_archived(tx, now):
    first = await assemblies.create(tx, ENGINE, script("Straße"), now=now)
    with pytest.raises(InvalidError) as refused:
        await assemblies.create(tx, ENGINE, script("STRAßE", content=""), now=now)
    assert {(one.field, one.code) for one in refused.value.problems} == {("name", "name_taken"), ("content", "length")}
    await assemblies.archive(tx, ENGINE, first, used_by=[], now=now)
    second = await assemblies.create(tx, ENGINE, script("STRAßE"), now=now)
    archived = await assemblies.lock(tx, ENGINE, first.id)
    with pytest.raises(ConflictError) as taken:
        await assemblies.restore(tx, ENGINE, archived, now=now)
    assert taken.value.code == "name_taken"
    await assemblies.archive(tx, ENGINE, second, used_by=[], now=now)
    assert (await assemblies.restore(tx, ENGINE, archived, now=now)).archived_at is None


async def test_archiving_what_jobs_use_names_the_jobs(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    with pytest.raises(ConflictError, match="Nightly, Weekly"):
        await assemblies.archive(tx, ENGINE, saved, used_by=["Nightly", "Weekly"], now=now)


async def test_an_archived_assembly_is_not_changed(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    archived = await assemblies.archive(tx, ENGINE, saved, used_by=[], now=now)
    with pytest.raises(ConflictError):
        await assemblies.update(tx, ENGINE, archived, script(content="x"), now=now)


async def test_a_viewer_reads_only(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    with pytest.raises(ForbiddenError):
        await assemblies.create(tx, VIEWER, script("Other"), now=now)
    with pytest.raises(ForbiddenError):
        await assemblies.lock(tx, VIEWER, saved.id)
    with pytest.raises(ForbiddenError):
        await assemblies.import_file(tx, VIEWER, "name: x", now=now)


async def test_an_exported_file_is_imported_unchanged(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(content="#!/bin/bash\n\techo 'a: b' \u00e9\r\n"), now=now)
    exported = assemblies.export_file(saved)
    again = await assemblies.import_file(tx, ENGINE, exported, now=now)
    assert (again.is_new, again.is_changed, again.assembly) == (False, False, saved)
    other = await assemblies.import_file(tx, ENGINE, exported.replace("name: Clean up", "name: Copy", 1), now=now)
    assert other.is_new
    assert other.assembly.draft.content == saved.draft.content


async def test_importing_under_a_known_name_adds_a_revision(tx, now):
    saved = await assemblies.create(tx, ENGINE, script(), now=now)
    again = await assemblies.import_file(tx, ENGINE, "name: CLEAN UP\ninterpreter: python\ncontent: print()\n", now=now)
    assert (again.is_new, again.assembly.id, again.assembly.revision) == (False, saved.id, 2)


async def test_a_file_is_refused_with_every_problem_and_its_line(tx, now):
    with pytest.raises(InvalidError) as refused:
        await assemblies.import_file(tx, ENGINE, "name: x\ninterpreter: perl\ncontent: ''\ncolour: red\n", now=now)
    places = [(one.field, one.message.partition(":")[0]) for one in refused.value.problems]
    assert places == [("interpreter", "line 2"), ("content", "line 3"), ("colour", "line 4")]
    with pytest.raises(NotFoundError):
        await assemblies.get(tx, ENGINE, uuid4())


async def test_a_list_is_paged_by_name_and_filtered(tx, now):
    names = ["b", "A", "c", "B2", "100% done"]
    for name in names:
        await assemblies.create(tx, ENGINE, script(name, interpreter="python" if name == "c" else "bash"), now=now)
    gone = await assemblies.create(tx, ENGINE, script("old"), now=now)
    await assemblies.archive(tx, ENGINE, gone, used_by=[], now=now)

    async def listed(**wanted):
        found, cursor = [], None
        while True:
            page = await assemblies.list_assemblies(tx, VIEWER, AssemblyFilter(**wanted), limit=2, cursor=cursor)
            found += [one.definition["name"] for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert await listed() == ["100% done", "A", "b", "B2", "c"]
    assert await listed(q="%") == ["100% done"]
    assert await listed(q="B") == ["b", "B2"]
    assert await listed(interpreter="python") == ["c"]
    assert await listed(archived=True) == ["old"]
    assert len(await listed(archived=None)) == 6
