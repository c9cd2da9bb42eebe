"""New Job, and the page of a job: what it would do is told while one types, and a save never goes over somebody else's."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.past import sign_in_as_viewer
from tests.browser.stage import violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)

_DAILY = {"type": "daily", "start": "2030-05-01T03:00", "timezone": "Europe/Berlin"}
_VARIABLES = [
    {"name": "MaxAge", "type": "number", "default": 24, "description": "In hours."},
    {"name": "Token", "type": "secret", "required": True},
]


async def _choose(page: Page, label: str, option: str) -> None:
    await page.locator("input[aria-haspopup=listbox]").and_(page.get_by_label(label)).first.click()
    await page.get_by_role("option", name=option, exact=True).click()


def _section(page: Page, name: str) -> Locator:
    return page.locator(f"#section-{name}")


async def _pick(page: Page, button: str, row: str) -> None:
    await page.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").first.fill(row[:5])
    await dialog.get_by_role("checkbox", name=f"Select {row}").check()
    await dialog.get_by_role("button", name=re.compile("^Add 1 ")).click()
    await expect(dialog).to_be_hidden()


async def _hostname(fleet: Fleet) -> str:
    """That of this machine, on which all agents of a test are."""
    return str((await fleet.http.get("/api/devices")).json()["items"][0]["hostname"])


async def _filter(fleet: Fleet, name: str, value: str) -> dict[str, Any]:
    criteria = {"field": "hostname", "operator": "equals", "value": value}
    reply = await fleet.http.post("/api/device_filters", json={"name": name, "criteria": {"all": [criteria]}})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def test_a_script_job_for_a_filter_is_made_in_eight_steps(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha")
    await fleet.script('echo "$MaxAge"', name="Clear print spool", variables=_VARIABLES)
    known = await _filter(fleet, "Print servers", await _hostname(fleet))
    await page.goto("/")
    await page.get_by_role("link", name="Scheduled Jobs").click()
    await page.get_by_role("link", name="New Job").first.click()
    summary = page.get_by_role("complementary", name="What it would do")
    await expect(summary).to_contain_text("Not chosen yet.")
    await expect(page.get_by_text("to mend")).to_have_count(0)  # nobody is blamed for what is not filled in yet

    await page.get_by_role("button", name="Save job").click()
    for section in ("name", "assemblies", "targets", "schedule"):
        await expect(_section(page, section).get_by_text("1 to mend")).to_be_visible()
    await expect(page.get_by_text("4 things to mend")).to_be_visible()

    await page.get_by_role("textbox", name="Name", exact=True).fill("Clear the spool each night")
    await _pick(page, "Add assemblies…", "Clear print spool")
    await expect(_section(page, "assemblies")).to_contain_text("is required")
    await page.get_by_label("Token", exact=False).first.fill("correct horse")
    await expect(page.get_by_placeholder("24 (default)")).to_be_visible()
    await _pick(page, "Add filters…", "Print servers")
    await expect(summary).to_contain_text("1 online")
    await _choose(page, "Runs", "Daily")
    await page.get_by_label("First time").first.fill("2030-03-30T02:30")
    await expect(
        page.get_by_role("textbox", name="Time zone").or_(page.get_by_role("combobox", name="Time zone"))
    ).to_have_value("Europe/Berlin")
    await expect(summary).to_contain_text("Every day at 02:30")
    await expect(summary.get_by_text("clocks skip it")).to_be_visible()  # 31 March 2030, when summer time begins
    await expect(summary.get_by_role("list", name="Next times").get_by_role("listitem")).to_have_count(10)
    await page.get_by_role("radio", name="Whoever is signed in").check()
    await expect(summary).to_contain_text("nobody is signed in")
    await page.get_by_role("radio", name="System").check()
    await _choose(page, "Devices that are off", "Leave it out")
    await expect(page.get_by_text("A device that is off at that time is skipped.")).to_be_visible()
    await expect(page.get_by_text("to mend")).to_have_count(0)
    await page.get_by_role("button", name="Save job").click()

    await expect(page.get_by_role("heading", name="Clear the spool each night")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
    job = (await fleet.http.get("/api/scheduled_jobs", params={"q": "spool each"})).json()["items"][0]
    saved = (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}")).json()
    assert saved["targets"] == [{"kind": "filter", "filter_id": known["id"]}]
    assert saved["components"][0]["variables"] == {"Token": {"is_set": True}}
    assert (saved["schedule"]["type"], saved["schedule"]["start"]) == ("daily", "2030-03-30T02:30")
    assert (saved["policies"]["offline"], saved["execution_context"]) == ("skip", "system")
    assert agent.device_id
    await expect(page.get_by_text("is set, and not shown")).to_have_count(0)
    await expect(page.get_by_label("Token").first).to_have_value("is set, and not shown")
    assert "correct horse" not in await page.content()


async def test_an_active_job_is_changed_through_its_differences_and_past_a_change_of_somebody_else(
    fleet: Fleet, page: Page
) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true", name="Sweep", variables=_VARIABLES)
    job = await fleet.job(
        script, agent, name="Sweep the decks", schedule=_DAILY, component={"variables": {"Token": "correct horse"}}
    )
    path = f"/api/scheduled_jobs/{job['id']}"
    await page.route("**/api/events*", lambda route: route.abort())  # this browser does not hear of the other change
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.get_by_role("link", name="Historical Runs")).to_be_visible()
    await expect(page.get_by_text("Revision 1, as it is saved.")).to_be_visible()
    await page.get_by_role("textbox", name="Description").fill("Every morning before the watch.")
    await page.get_by_label("Retries").first.fill("2")
    await expect(page.get_by_text("2 changes, not saved.")).to_be_visible()

    body = {name: job[name] for name in ("components", "targets", "schedule")}
    other = await fleet.http.put(path, json={**body, "name": "Sweep all decks"})
    assert other.status_code == 200, other.text

    await page.get_by_role("button", name="Save…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("This applies from the next occurrence")
    await expect(dialog.get_by_role("row", name=re.compile("^Retries"))).to_contain_text("2")
    await dialog.get_by_role("button", name="Save 2 changes").click()
    await expect(dialog).to_contain_text("Somebody else saved it in the meantime")
    await expect(dialog.get_by_role("row", name=re.compile("^Name"))).to_contain_text("Sweep all decks")
    assert (await fleet.http.get(path)).json()["description"] == "", "theirs was not gone over"
    await dialog.get_by_role("button", name="Keep both").click()
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Sweep all decks")
    await expect(page.get_by_role("textbox", name="Description")).to_have_value("Every morning before the watch.")
    await page.get_by_role("button", name="Save…").click()
    await dialog.get_by_role("button", name="Save 2 changes").click()
    await expect(page.get_by_text("Revision 3, as it is saved.")).to_be_visible()
    saved = (await fleet.http.get(path)).json()
    assert (saved["name"], saved["description"], saved["policies"]["retries"]) == (
        "Sweep all decks", "Every morning before the watch.", 2,
    )  # fmt: skip
    assert saved["components"][0]["variables"] == {"Token": {"is_set": True}}

    await page.get_by_role("button", name="More for Sweep all decks").click()
    await page.get_by_role("menuitem", name="Revisions…").click()
    for number in (1, 3):
        await dialog.get_by_role("checkbox", name=f"Revision {number}").check()
    await expect(page).to_have_url(re.compile(r"panel=revisions&compare=1&compare=3"))
    await expect(dialog.locator(".cm-mergeView")).to_contain_text("Sweep the decks")
    await page.keyboard.press("Escape")

    await page.get_by_role("textbox", name="Description").fill("Not to be kept.")
    await page.get_by_role("link", name="Scheduled Jobs").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("textbox", name="Description")).to_have_value("Not to be kept.")
    await page.get_by_role("link", name="Scheduled Jobs").click()
    await page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(page).to_have_url(re.compile(r"/jobs$"))


async def test_a_job_is_copied_said_otherwise_and_made_from_a_file(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true", name="Sweep")
    job = await fleet.job(script, agent, name="Sweep the decks", schedule={**_DAILY, "type": "weekly"})
    await page.goto(f"/jobs/new?from={job['id']}")
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Copy of Sweep the decks")
    await expect(page.get_by_role("list", name="Targets")).to_contain_text(await _hostname(fleet))
    await _choose(page, "Runs", "Cron expression")
    await expect(page.get_by_role("textbox", name="Cron expression")).to_have_value("0 3 * * wed")
    await expect(page.get_by_text("This says the same as “Weekly”.")).to_be_visible()
    await page.get_by_role("textbox", name="Cron expression").fill("0 3 * * mon-fri nonsense")
    await expect(_section(page, "schedule").get_by_text("1 to mend")).to_be_visible()
    await page.get_by_role("textbox", name="Cron expression").fill("0 3 * * mon-fri")
    await expect(page.get_by_role("complementary")).to_contain_text("Monday")
    await page.get_by_role("button", name="Save job").click()
    await expect(page.get_by_role("heading", name="Copy of Sweep the decks")).to_be_visible()

    file = (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}/export")).text
    await page.goto("/jobs/new")
    await page.get_by_role("button", name="From a file…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="The file").fill(file)
    await expect(dialog).to_contain_text("is exactly as the file says")
    await dialog.get_by_role("textbox", name="The file").fill(file.replace("retries: 0", "retries: 3"))
    await expect(dialog.get_by_role("row", name=re.compile("^Retries"))).to_contain_text("3")
    await dialog.get_by_role("button", name="Save the job anew").click()
    await expect(page.get_by_role("heading", name="Sweep the decks", exact=True)).to_be_visible()
    assert (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}")).json()["policies"]["retries"] == 3


async def test_a_viewer_sees_a_job_and_is_told_why_he_may_not_change_it(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true", name="Sweep", variables=_VARIABLES)
    job = await fleet.job(
        script, agent, name="Sweep the decks", schedule=_DAILY, component={"variables": {"Token": "correct horse"}}
    )
    await sign_in_as_viewer(fleet, page)
    await page.goto(f"/jobs/{job['id']}")
    await expect(page.get_by_text("You can look, and not change it.")).to_contain_text("jobs:write")
    name = page.get_by_role("textbox", name="Name", exact=True)
    await expect(name).to_have_value("Sweep the decks")
    await expect(name).to_be_disabled()
    await expect(page.get_by_role("button", name="Save…")).to_have_count(0)
    await expect(page.get_by_role("button", name="Add devices…")).to_be_disabled()
    await expect(page.get_by_role("complementary", name="What it would do")).to_contain_text("Every day at 03:00")
    await page.keyboard.press("Control+s")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}")).json()["revision"] == 1
    await page.goto("/jobs/new")
    await expect(page.get_by_text("You may not make a job.")).to_be_visible()
    await expect(page.get_by_text("jobs:write")).to_be_visible()


async def test_axe_finds_nothing_on_the_page_of_a_job(fleet: Fleet, open_page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true", name="Sweep", variables=_VARIABLES)
    waves = {"sizes": ["10%"], "canary": {"tag": "first"}}
    job = await fleet.job(
        script,
        agent,
        schedule={"type": "rrule", "rule": "FREQ=WEEKLY;BYDAY=MO", "start": "2030-05-01T03:00"},
        component={"variables": {"Token": "x"}, "role": "check"},
        policies={"waves": waves, "retries": 1},
    )
    await open_page.goto(f"/jobs/{job['id']}")
    await expect(open_page.get_by_role("list", name="Next times")).to_be_visible()
    for scheme in ("light", "dark"):
        await open_page.emulate_media(color_scheme=scheme)
        assert await violations(open_page) == []
    await open_page.goto("/jobs/new")
    await open_page.get_by_role("button", name="Save job").click()
    await expect(open_page.get_by_text("4 things to mend")).to_be_visible()
    await open_page.get_by_role("button", name="Add devices…").click()
    await expect(open_page.get_by_role("dialog")).to_contain_text(await _hostname(fleet))
    assert await violations(open_page) == []
