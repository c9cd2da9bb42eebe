"""Filters are saved whole or not at all, reach no further than who saved them, and are changed by those who see all of that."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.factories import people
from tests.filters.conftest import device_filter, named
from watchbill import filters
from watchbill.core.custom_field_rules import FieldType
from watchbill.core.filter_expr import FIELDS
from watchbill.devices import FieldDraft, custom_fields
from watchbill.filters import FilterQuery, FilterSort
from watchbill.filters.compile import COMPILER
from watchbill.identity import Permission, Role
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


async def save(tx, world, actor, definition):
    return await filters.create(tx, actor, definition, now=world.now)


async def refused(tx, world, actor, definition):
    with pytest.raises(InvalidError) as error:
        await save(tx, world, actor, definition)
    return {one.field: one.code for one in error.value.problems}


async def members(tx, world, filter_id):
    rows = await tx.execute(text("SELECT filter_members(:id, :now)"), {"id": filter_id, "now": world.now})
    return set(rows.scalars())


async def names(tx, actor, **wanted):
    page = await filters.list_filters(tx, actor, FilterQuery(**wanted), limit=50, cursor=None)
    return [one.name for one in page.items]


async def rows(tx, statement):
    return [tuple(row) for row in await tx.execute(text(statement))]


async def test_a_saved_filter_is_what_was_said_in_its_one_form_and_finds_its_devices(tx, world):
    criteria = {"field": "ram_bytes", "operator": "higher", "value": "8 GiB"}
    saved = await save(tx, world, world.admin, device_filter({"any": [named("AN"), criteria]}))
    assert saved.definition == {
        "name": "Cranes",
        "description": "",
        "criteria": {"any": [named("AN"), criteria | {"value": 8 * 2**30}]},
        "site_mode": "all",
        "site_ids": [],
    }
    assert saved.in_words == 'hostname contains "AN" or RAM is higher than 8 GiB'
    assert (saved.revision, saved.created_by, saved.spans_other_sites, saved.archived_at) == (1, "ada", False, None)
    assert await filters.get(tx, world.admin, saved.id) == saved
    assert await members(tx, world, saved.id) == {world.crane}


async def test_sites_narrow_what_a_filter_finds_and_devices_of_no_site_are_outside_of_none(tx, world):
    only = await save(tx, world, world.admin, device_filter(site_mode="only", site_ids=[world.lighthouse]))
    but = device_filter(named("n"), name="But", site_mode="except", site_ids=[world.harbour])
    assert await members(tx, world, only.id) == {world.lamp}
    assert await members(tx, world, (await save(tx, world, world.admin, but)).id) == {world.loner}


async def test_a_filter_reaches_no_further_than_who_saved_it_last(tx, world):
    saved = await save(tx, world, world.operator, device_filter())
    assert await members(tx, world, saved.id) == {world.crane}
    held = await filters.lock(tx, world.admin, saved.id)
    await filters.update(tx, world.admin, held, device_filter(named("a")) | {"description": "wider"}, now=world.now)
    assert await members(tx, world, saved.id) == {world.crane, world.lamp}


async def test_all_problems_are_told_at_once_and_nothing_is_saved(tx, world):
    wrong = {
        "name": " x",
        "criteria": {"all": [{"field": "hostnam", "operator": "is", "value": 1}, {"all": []}]},
        "site_mode": "only",
        "site_ids": [world.lighthouse, "3", world.harbour, world.harbour],
        "colour": "red",
    }
    assert await refused(tx, world, world.operator, wrong) == {
        "name": "invalid_text",
        "criteria.all.0.field": "unknown_field",
        "criteria.all.1.all": "empty_group",
        "site_ids.1": "wrong_type",
        "site_ids.3": "duplicate",
        "site_ids.0": "site_not_found",
        "colour": "unknown_field",
    }
    assert await rows(tx, "SELECT id FROM device_filters") == []


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"site_ids": [1]}, "site_ids", "not_allowed"),
        ({"site_mode": "only"}, "site_ids", "required"),
        ({"site_mode": "except", "site_ids": []}, "site_ids", "required"),
        ({"site_mode": "some"}, "site_mode", "not_allowed"),
        ({"criteria": None}, "criteria", "required"),
        ({"criteria": []}, "criteria", "wrong_type"),
    ],
)
async def test_sites_and_their_mode_belong_together(tx, world, changes, field, code):
    assert (await refused(tx, world, world.admin, {"name": "Cranes", "criteria": named("a")} | changes))[field] == code


async def test_names_are_told_apart_among_those_that_the_writer_sees(tx, world):
    saved = await save(tx, world, world.admin, device_filter(site_mode="only", site_ids=[world.lighthouse]))
    await save(tx, world, world.operator, device_filter(name="CRANES"))
    assert await refused(tx, world, world.operator, device_filter()) == {"name": "name_taken"}
    await filters.archive(tx, world.admin, await filters.lock(tx, world.admin, saved.id), used_by=(), now=world.now)
    with pytest.raises(InvalidError, match="1 problem"):
        await filters.unarchive(tx, world.admin, await filters.lock(tx, world.admin, saved.id), now=world.now)


async def test_who_does_not_see_all_that_a_filter_reaches_may_not_change_it(tx, world):
    wide = await save(tx, world, world.admin, device_filter())
    assert (await filters.get(tx, world.operator, wide.id)).spans_other_sites
    with pytest.raises(ForbiddenError) as error:
        await filters.lock(tx, world.operator, wide.id)
    assert error.value.code == "filter_spans_other_sites"
    narrow = device_filter(name="Harbour", site_mode="only", site_ids=[world.harbour])
    saved = await save(tx, world, world.admin, narrow)
    assert not (await filters.lock(tx, world.operator, saved.id)).spans_other_sites


async def test_an_exclusion_of_an_unseen_site_is_not_lost_by_a_save(tx, world):
    both = await people.make_actor(tx, "bea", Role.OPERATOR, now=world.now, site_ids=(world.harbour, world.lighthouse))
    saved = await save(tx, world, both, device_filter(site_mode="except", site_ids=[world.lighthouse]))
    seen = await filters.get(tx, world.operator, saved.id)
    assert (seen.spans_other_sites, seen.site_ids) == (True, [])


async def test_filters_of_other_sites_do_not_exist(tx, world):
    saved = await save(tx, world, world.admin, device_filter(site_mode="only", site_ids=[world.lighthouse]))
    with pytest.raises(NotFoundError):
        await filters.get(tx, world.operator, saved.id)
    assert await names(tx, world.operator) == []


async def test_writing_takes_its_permission_which_operators_have_and_may_be_denied(tx, world):
    saved = await save(tx, world, world.operator, device_filter())
    denied = replace(world.operator, permissions=world.operator.permissions - {Permission.FILTERS_WRITE})
    for actor in (world.viewer, denied):
        with pytest.raises(ForbiddenError, match=Permission.FILTERS_WRITE):
            await save(tx, world, actor, device_filter())
        with pytest.raises(ForbiddenError, match=Permission.FILTERS_WRITE):
            await filters.lock(tx, actor, saved.id)
        told = filters.allowed_actions(actor, await filters.get(tx, actor, saved.id))
        assert [one.allowed for one in told] == [False] * 4


async def test_every_save_that_changes_something_is_a_revision_that_stays(tx, world):
    saved = await save(tx, world, world.admin, device_filter())
    same = await filters.update(tx, world.admin, saved, saved.definition, now=world.now)
    other = await filters.update(tx, world.admin, saved, device_filter(named("b")), now=world.now)
    assert (same.is_changed, same.filter.revision) == (False, 1)
    assert (other.is_changed, other.filter.revision) == (True, 2)
    page = await filters.list_revisions(tx, world.admin, saved.id, limit=1, cursor=None)
    rest = await filters.list_revisions(tx, world.admin, saved.id, limit=1, cursor=page.next_cursor)
    told = [(one.revision, one.definition["criteria"]["value"], one.changed_by) for one in (*page.items, *rest.items)]
    assert told == [(2, "b", "ada"), (1, "a", "ada")]
    assert rest.next_cursor is None


async def test_every_change_is_audited_and_told_to_the_sites_it_reaches(tx, world):
    saved = await save(tx, world, world.admin, device_filter(site_mode="only", site_ids=[world.harbour]))
    await filters.update(tx, world.admin, saved, device_filter(), now=world.now)
    held = await filters.lock(tx, world.admin, saved.id)
    archived = await filters.archive(tx, world.admin, held, used_by=(), now=world.now)
    await filters.unarchive(tx, world.admin, archived, now=world.now)
    await filters.delete(tx, world.admin, archived, used_by=(), now=world.now)
    audited = await rows(tx, "SELECT action FROM audit WHERE object_kind = 'filter' ORDER BY id")
    verbs = ["create", "update", "archive", "unarchive", "delete"]
    assert [action for (action,) in audited] == [f"filter.{verb}" for verb in verbs]
    told = await rows(tx, "SELECT payload->>'change', count(*) FROM events WHERE kind = 'filter.changed' GROUP BY 1")
    assert dict(told) == {"created": 1, "updated": 2, "archived": 2, "unarchived": 2, "deleted": 2}


async def test_a_filter_in_use_is_neither_archived_nor_deleted(tx, world):
    saved = await save(tx, world, world.admin, device_filter())
    for verb in (filters.archive, filters.delete):
        with pytest.raises(ConflictError, match="Nightly, 2 of sites") as error:
            await verb(tx, world.admin, saved, used_by=["Nightly", "2 of sites that you do not see"], now=world.now)
        assert error.value.code == "filter_in_use"


async def test_an_archived_filter_finds_nothing_and_is_not_changed_until_it_is_back(tx, world):
    saved = await save(tx, world, world.admin, device_filter())
    archived = await filters.archive(tx, world.admin, saved, used_by=(), now=world.now)
    assert await members(tx, world, saved.id) == {None}
    with pytest.raises(ConflictError, match="bring it back"):
        await filters.update(tx, world.admin, archived, device_filter(named("b")), now=world.now)
    assert (await names(tx, world.admin), await names(tx, world.admin, archived=True)) == ([], ["Cranes"])
    await filters.unarchive(tx, world.admin, archived, now=world.now)
    assert await members(tx, world, saved.id) == {world.crane, world.lamp}


async def test_a_deleted_filter_is_gone_for_everybody_and_its_name_is_free(tx, world):
    saved = await save(tx, world, world.admin, device_filter())
    await filters.delete(tx, world.admin, saved, used_by=(), now=world.now)
    with pytest.raises(NotFoundError):
        await filters.get(tx, world.admin, saved.id)
    assert await names(tx, world.admin, archived=None) == []
    assert await filters.facts_of(tx, world.admin.scope, [saved.id]) == {}
    assert (await save(tx, world, world.admin, device_filter())).name == "Cranes"


async def test_a_copy_is_of_its_maker_and_of_the_sites_that_its_maker_sees(tx, world):
    both = await people.make_actor(tx, "bea", Role.OPERATOR, now=world.now, site_ids=(world.harbour, world.lighthouse))
    saved = await save(tx, world, both, device_filter(site_mode="except", site_ids=[world.lighthouse]))
    copy = await filters.clone(tx, world.operator, saved.id, None, now=world.now)
    assert (copy.name, copy.site_mode, copy.revision, copy.created_by) == ("Copy of Cranes", "all", 1, "otto")
    assert await members(tx, world, copy.id) == {world.crane}
    with pytest.raises(InvalidError, match="1 problem"):
        await filters.clone(tx, world.operator, saved.id, 7, now=world.now)


async def test_a_list_is_searched_sorted_and_paged(tx, world):
    for name in ("bravo", "Alpha", "charlie", "alps"):
        await save(tx, world, world.admin, device_filter(name=name))
    assert await names(tx, world.admin) == ["Alpha", "alps", "bravo", "charlie"]
    assert await names(tx, world.admin, q="al") == ["Alpha", "alps"]
    for sort in FilterSort:
        found, cursor = [], None
        while True:
            page = await filters.list_filters(tx, world.admin, FilterQuery(sort=sort), limit=1, cursor=cursor)
            found += [one.name for one in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert found == await names(tx, world.admin, sort=sort)
        assert len(found) == 4


async def test_custom_fields_are_asked_about_while_they_exist(tx, world):
    criteria = {"field": "custom.rack", "operator": "equals", "value": "B-12"}
    assert await refused(tx, world, world.admin, device_filter(criteria)) == {"criteria.field": "unknown_field"}
    draft = FieldDraft("rack", "Rack", FieldType.TEXT, "", settable_by_scripts=False)
    await custom_fields.create_field(tx, world.admin, draft, now=world.now)
    await save(tx, world, world.admin, device_filter({"not": {"any": [criteria]}}))
    await save(tx, world, world.admin, device_filter(named("custom.rack"), name="Only its name"))
    assert await filters.using_field(tx, world.admin, "rack") == ["Cranes"]
    assert await filters.using_field(tx, world.admin, "row") == []
    elsewhere = device_filter(criteria, name="Far", site_mode="only", site_ids=[world.lighthouse])
    await save(tx, world, world.admin, elsewhere)
    assert await filters.using_field(tx, world.operator, "rack") == ["Cranes", "1 of sites that you do not see"]


async def test_what_an_older_compiler_wrote_is_compiled_anew_in_steps(tx, world):
    for name in ("a", "b", "c"):
        await save(tx, world, world.admin, device_filter(name=name))
    await tx.execute(text("UPDATE device_filters SET compiler = 0, condition = 'false'"))
    last, steps = 0, 0
    while (found := await filters.compile_anew(tx, after=last, limit=2)) is not None:
        last, steps = found, steps + 1
    assert steps == 2
    for filter_id, compiler in await rows(tx, "SELECT id, compiler FROM device_filters"):
        assert compiler == COMPILER
        assert await members(tx, world, filter_id) == {world.crane, world.lamp}


async def test_the_fields_to_ask_about_are_told_custom_ones_last(tx, world):
    draft = FieldDraft("rack", "Rack", FieldType.TEXT, "", settable_by_scripts=False)
    await custom_fields.create_field(tx, world.admin, draft, now=world.now)
    assert [one.name for one in await filters.fields(tx, world.viewer)] == [*FIELDS, "custom.rack"]
