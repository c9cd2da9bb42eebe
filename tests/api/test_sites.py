"""Sites over HTTP."""

import re

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from watchbill.api.app import create_app
from watchbill.api.common import Deps


async def test_an_admin_makes_a_site_with_a_code_that_can_be_read_aloud(admin):
    made = await admin.post("/api/sites", json={"name": "  Depot ", "timezone": "Europe/Berlin"})
    assert made.status_code == 201
    site = made.json()
    assert site["name"] == "Depot"
    assert re.fullmatch(r"([2-9A-HJ-NP-Z]{5}-){3}[2-9A-HJ-NP-Z]{5}", site["enrolment_code"])
    command = f"watchbill-agent enroll --server http://127.0.0.1:8470 --code {site['enrolment_code']}"
    assert site["enrolment_command"] == command
    assert (await admin.get(f"/api/sites/{site['id']}")).json() == site


async def test_under_tls_the_command_carries_the_certificates_pin(deps: Deps, admin, world):
    pinned = Deps(deps.db, deps.clock, deps.keys, deps.settings, "a2" * 26)
    transport = httpx.ASGITransport(app=create_app(pinned))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://watchbill.test", cookies=admin.cookies
    ) as client:
        site = (await client.get(f"/api/sites/{world.site_a}")).json()
    assert site["enrolment_command"].endswith(f"{site['enrolment_code']}.{'a2' * 26}")


async def test_who_may_not_decide_about_devices_does_not_see_the_code(viewer, operator, world):
    path = f"/api/sites/{world.site_a}"
    hidden = (await viewer.get(path)).json()
    assert (hidden["enrolment_code"], hidden["enrolment_command"]) == (None, None)
    assert (await viewer.get("/api/sites")).json()["items"] == [hidden]
    assert (await operator.get(path)).json()["enrolment_code"]


async def test_every_problem_of_a_site_is_told(admin):
    reply = await admin.post("/api/sites", json={"name": "", "timezone": "Mars/Olympus", "colour": "red"})
    assert set(codes(reply)) == {"name", "timezone", "colour"}
    assert codes(reply)["timezone"] == "unknown_timezone"


async def test_a_site_name_exists_once_in_any_case(admin, world):
    reply = await admin.post("/api/sites", json={"name": "HARBOUR"})
    assert (reply.status_code, reply.json()["code"]) == (409, "site_name_taken")
    reply = await admin.patch(f"/api/sites/{world.site_b}", json={"name": "harbour"})
    assert (reply.status_code, reply.json()["code"]) == (409, "site_name_taken")
    assert (await admin.patch(f"/api/sites/{world.site_a}", json={"name": "HARBOUR"})).status_code == 200


async def test_another_site_is_absent_and_the_own_one_cannot_be_written_by_an_operator(operator, world):
    own, foreign = f"/api/sites/{world.site_a}", f"/api/sites/{world.site_b}"
    assert [site["id"] for site in (await operator.get("/api/sites")).json()["items"]] == [world.site_a]
    for path, expected in ((own, 403), (foreign, 404)):
        assert (await operator.patch(path, json={"name": "Y"})).status_code == expected
        assert (await operator.delete(path)).status_code == expected
    assert (await operator.get(foreign)).status_code == 404
    assert (await operator.post(f"{foreign}/enrolment_code")).status_code == 404
    assert (await operator.post(f"{foreign}/auto_approval", json={"minutes": 1})).status_code == 404
    assert (await operator.post("/api/sites", json={"name": "Y"})).status_code == 403


async def test_a_site_tells_how_many_devices_it_has_and_how_many_are_online(viewer, world, make_device):
    await make_device("a", world.site_a, online=True)
    await make_device("b", world.site_a)
    await make_device("c", world.site_a, status="revoked")
    await make_device("d", world.site_b, online=True)
    site = (await viewer.get(f"/api/sites/{world.site_a}")).json()
    assert (site["device_count"], site["online_count"]) == (2, 1)


async def test_a_viewer_may_neither_rotate_the_code_nor_open_the_door(viewer, world):
    path = f"/api/sites/{world.site_a}"
    assert (await viewer.post(f"{path}/enrolment_code")).status_code == 403
    assert (await viewer.post(f"{path}/auto_approval", json={"minutes": 1})).status_code == 403


async def test_a_rotated_code_is_another_one(operator, world):
    path = f"/api/sites/{world.site_a}"
    before = (await operator.get(path)).json()
    after = (await operator.post(f"{path}/enrolment_code")).json()
    assert after["enrolment_code"] != before["enrolment_code"]
    assert after["enrolment_code_rotated_at"] > before["enrolment_code_rotated_at"]


async def test_the_auto_approval_window_opens_and_closes(operator, world):
    path = f"/api/sites/{world.site_a}/auto_approval"
    assert (await operator.post(path, json={"minutes": 1440})).json()["auto_approve_until"]
    assert (await operator.post(path, json={"minutes": 0})).json()["auto_approve_until"] is None
    for minutes in (-1, 1441, 2.5, "soon"):
        assert "minutes" in codes(await operator.post(path, json={"minutes": minutes}))


async def test_a_site_with_devices_is_not_deleted(admin, world, make_device):
    await make_device("web-1", world.site_a)
    refused = await admin.delete(f"/api/sites/{world.site_a}")
    assert (refused.status_code, refused.json()["code"]) == (409, "site_in_use")
    assert (await admin.delete(f"/api/sites/{world.site_b}")).status_code == 204
    assert (await admin.get(f"/api/sites/{world.site_b}")).status_code == 404


async def test_the_list_is_paged_by_name_whatever_the_letters(admin, make_site):
    for name in ("Ärmelkanal", "zoo", "Über den Wolken", "alpha"):
        await make_site(name)
    names, cursor = [], None
    while True:
        page = (await admin.get("/api/sites", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        names += [site["name"] for site in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(names) == sorted({"Harbour", "Lighthouse", "Ärmelkanal", "zoo", "Über den Wolken", "alpha"})


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwgIngiXQ", "é"])
async def test_a_made_up_cursor_is_refused(admin, cursor):
    reply = await admin.get("/api/sites", params={"cursor": cursor})
    assert codes(reply) == {"cursor": "invalid"}


async def test_percent_and_underscore_in_a_search_are_letters(admin, make_site):
    await make_site("100% remote")
    assert [site["name"] for site in (await admin.get("/api/sites?q=%25")).json()["items"]] == ["100% remote"]
    assert (await admin.get("/api/sites?q=H_rbour")).json()["items"] == []


async def test_the_code_is_neither_stored_nor_audited_in_clear(admin, db):
    site = (await admin.post("/api/sites", json={"name": "Depot"})).json()
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT row_to_json(s)::text FROM sites s"))).scalars().all()
        rows += (await tx.execute(text("SELECT detail::text FROM audit"))).scalars().all()
    assert not any(site["enrolment_code"] in row for row in rows)
