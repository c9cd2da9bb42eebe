"""A preview shows whom a filter finds now and why each, to its reader alone, and never takes long."""

import pytest
from sqlalchemy import text

from tests.filters.conftest import device_filter, named
from watchbill import filters
from watchbill.filters import finding
from watchbill.kit.errors import InvalidError, NotFoundError


async def look(tx, world, actor, asked, *, limit=50, cursor=None):
    return await filters.preview(tx, actor, asked, limit=limit, cursor=cursor, now=world.now)


async def test_a_preview_counts_and_tells_why_each_device_is_found(tx, world):
    asked = {"criteria": {"any": [named("cra"), named("p", "ends_with")]}}
    found = await look(tx, world, world.admin, asked)
    assert found.in_words == 'hostname contains "cra" or hostname ends with "p"'
    assert (found.devices, found.online, found.offline, found.next_cursor) == (3, 2, 1, None)
    assert [(one.hostname, one.site_name, one.online) for one in found.items] == [
        ("crane", "Harbour", True),
        ("lamp", "Lighthouse", True),
        ("pump", "Harbour", False),
    ]
    assert list(found.items[0].why) == ['hostname "crane" contains "cra"']


async def test_a_reader_sees_and_counts_only_devices_of_their_sites(tx, world):
    found = await look(tx, world, world.operator, {"criteria": named("a")})
    assert ([one.hostname for one in found.items], found.devices) == (["crane"], 1)
    saved = await filters.create(tx, world.admin, device_filter(), now=world.now)
    again = await filters.preview_saved(tx, world.operator, saved.id, limit=50, cursor=None, now=world.now)
    assert ([one.hostname for one in again.items], again.devices) == (["crane"], 1)


async def test_a_saved_filter_shows_no_more_than_it_reaches(tx, world):
    saved = await filters.create(tx, world.operator, device_filter(), now=world.now)
    found = await filters.preview_saved(tx, world.admin, saved.id, limit=50, cursor=None, now=world.now)
    assert [one.hostname for one in found.items] == ["crane"]


async def test_a_filter_of_other_sites_has_no_preview(tx, world):
    elsewhere = device_filter(site_mode="only", site_ids=[world.lighthouse])
    saved = await filters.create(tx, world.admin, elsewhere, now=world.now)
    with pytest.raises(NotFoundError):
        await filters.preview_saved(tx, world.operator, saved.id, limit=5, cursor=None, now=world.now)


async def test_pages_follow_each_other_and_count_the_same(tx, world):
    asked = {"criteria": {"field": "hostname", "operator": "is_known"}}
    found, cursor = [], None
    while True:
        page = await look(tx, world, world.admin, asked, limit=1, cursor=cursor)
        found += [one.hostname for one in page.items]
        assert page.devices == 4
        if (cursor := page.next_cursor) is None:
            break
    assert found == ["crane", "lamp", "loner", "pump"]
    with pytest.raises(InvalidError, match="cursor"):
        await look(tx, world, world.admin, asked, cursor="bm9uc2Vuc2U")


async def test_why_knows_tags_software_addresses_and_custom_values(tx, world):
    key = "0232" + "#" * 3
    for statement in (
        "INSERT INTO device_tags VALUES (:id, 'prod')",
        f"INSERT INTO device_software VALUES (:id, 'OpenSSL', 'openssl', '3.0', '{key}', 'dpkg')",
        "UPDATE devices SET internal_addresses = '{10.0.0.7}', external_address = '192.0.2.7' WHERE id = :id",
        (
            "INSERT INTO custom_fields (name, label, type, created_at, updated_at) VALUES"
            " ('rack', '', 'text', :now, :now), ('slots', '', 'number', :now, :now),"
            " ('leased', '', 'boolean', :now, :now), ('bought', '', 'date', :now, :now)"
        ),
        (
            "INSERT INTO device_custom_values (device_id, field_id, text_value, number_value, boolean_value, date_value, set_by, set_at)"
            " SELECT :id, id, CASE type WHEN 'text' THEN 'B-12' END, CASE type WHEN 'number' THEN 0.1 END,"
            " CASE type WHEN 'boolean' THEN true END, CASE type WHEN 'date' THEN DATE '2026-05-04' END, 'operator', :now"
            " FROM custom_fields"
        ),
    ):
        given = {"id": world.crane, "now": world.now}
        await tx.execute(text(statement), {name: given[name] for name in given if f":{name}" in statement})
    asked = [
        {"field": "tags", "operator": "has", "value": "Prod"},
        {"field": "software", "operator": "installed", "value": {"name": "openssl"}},
        {"field": "internal_address", "operator": "in_network", "value": "10.0.0.0/8"},
        {"field": "external_address", "operator": "in_network", "value": "192.0.2.0/24"},
        {"field": "custom.rack", "operator": "equals", "value": "b-12"},
        {"field": "custom.slots", "operator": "equals", "value": 0.1},
        {"field": "custom.leased", "operator": "is_true"},
        {"field": "custom.bought", "operator": "before", "value": "2026-12-31"},
    ]
    [crane] = (await look(tx, world, world.admin, {"criteria": {"all": asked}})).items
    assert list(crane.why) == [
        'tags have "Prod" (it has "prod")',
        'software "OpenSSL" 3.0 from "dpkg" is installed ("openssl")',
        "internal address 10.0.0.7 is in 10.0.0.0/8",
        "external address 192.0.2.7 is in 192.0.2.0/24",
        'custom field rack "B-12" is "b-12"',
        "custom field slots 0.1 is 0.1",
        "custom field leased is true",
        "custom field bought 2026-05-04 is before 2026-12-31",
    ]
    # One whose name is told in part is looked for among all of the device's software.
    partly = {"name": "ssl", "name_operator": "contains"}
    by_part = {"criteria": {"field": "software", "operator": "installed", "value": partly}}
    [crane] = (await look(tx, world, world.admin, by_part)).items
    assert list(crane.why) == ['software "OpenSSL" 3.0 from "dpkg" is installed (whose name contains "ssl")']


async def test_all_problems_of_what_is_asked_are_told_at_once(tx, world):
    asked = {"criteria": {"field": "hostname", "operator": "is"}, "site_mode": "only", "site_ids": [world.lighthouse]}
    with pytest.raises(InvalidError) as error:
        await look(tx, world, world.operator, asked)
    assert [one.field for one in error.value.problems] == ["criteria.operator", "site_ids.0"]


async def test_a_question_that_takes_too_long_is_given_up_with_advice(tx, world, monkeypatch):
    monkeypatch.setattr(finding, "bound", _at_once)
    with pytest.raises(InvalidError) as error:
        await look(tx, world, world.admin, {"criteria": named("a")})
    assert [(one.field, one.code) for one in error.value.problems] == [("criteria", "too_slow")]


async def _at_once(tx):
    """A limit that everything exceeds, as the function that looks is made to wait."""
    await tx.execute(
        text(
            "CREATE OR REPLACE FUNCTION filter_where(condition text, reach bigint[], site_mode text) RETURNS text"
            " LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(10)::text $$"
        )
    )
    await tx.execute(text("SELECT set_config('statement_timeout', '50', true)"))
