"""Automation > Windows: made with a preview by the Engine, refused beside the field, turned off, deleted."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(240)


_HOLIDAYS = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//harbour//EN",
        *(
            "BEGIN:VEVENT",
            "UID:1",
            "SUMMARY:New Year",
            "DTSTART;VALUE=DATE:20300101",
            "RRULE:FREQ=YEARLY",
            "END:VEVENT",
        ),
        *("BEGIN:VEVENT", "UID:2", "SUMMARY:Party", "DTSTART;VALUE=DATE:20200701", "END:VEVENT"),
        "END:VCALENDAR",
        "",
    ]
)


async def test_a_calendar_becomes_a_window_once_one_has_seen_what_of_it(
    fleet: Fleet, page: Page, tmp_path: Path
) -> None:
    wrong, right = tmp_path / "Shifts.ics", tmp_path / "Holidays.ics"
    wrong.write_text(_HOLIDAYS.replace("FREQ=YEARLY", "FREQ=SECONDLY"))
    right.write_text(_HOLIDAYS)
    await page.goto("/windows")
    await page.get_by_role("button", name="From a calendar…").first.click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save window")
    await dialog.locator("input[type=file]").set_input_files(wrong)
    await expect(dialog.get_by_role("textbox", name="Name")).to_have_value("Shifts")
    await expect(dialog).to_contain_text("Say what it covers")
    await expect(save).to_be_disabled()
    await dialog.get_by_label("Which site").click()
    await page.get_by_role("option", name="Harbour").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("event `New Year`")
    await expect(save).to_be_disabled()
    await dialog.locator("input[type=file]").set_input_files(right)
    await dialog.get_by_role("textbox", name="Name").fill("Holidays")
    await dialog.get_by_label("Zone of times that have none").click()
    await page.get_by_role("option", name="UTC", exact=True).click()
    becomes = dialog.get_by_role("region", name="What becomes of it")
    await expect(becomes).to_contain_text("New Year")
    await expect(becomes).to_contain_text("Party is over, and left out.")
    assert (await fleet.http.get("/api/windows")).json()["items"] == []
    await save.click()
    await expect(page.get_by_role("heading", name="Holidays")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/windows/\d+$"))
    (saved,) = (await fleet.http.get("/api/windows")).json()["items"]
    assert (saved["kind"], saved["covers"]) == ("deny", ["site Harbour"])


async def test_a_window_is_made_with_its_preview_and_taken_away(fleet: Fleet, page: Page, open_page: Page) -> None:
    await page.goto("/windows")
    await expect(page.get_by_text("There is no window yet.")).to_be_visible()
    await page.get_by_role("link", name="New Window").first.click()
    await page.get_by_role("textbox", name=re.compile("^Name")).first.fill("Night of the berths")
    await page.get_by_role("radio", name=re.compile("^Maintenance window")).check()
    span = page.get_by_role("group", name="Stretch 1")
    await span.get_by_label("First time").fill("2026-01-04T02:00")
    await span.get_by_label("Lasts").fill("3")
    # The Engine says what it makes of it, while it is written.
    preview = page.get_by_role("region", name="When work may start")
    await expect(preview).to_contain_text("Every Sunday at 02:00")
    await expect(preview.get_by_text("for 3 h").first).to_be_visible()
    # What it will not have is said where it is, and nothing is saved.
    await span.get_by_label("Lasts").fill("3000")
    await expect(span.get_by_text("Must be", exact=False).first).to_be_visible()
    await span.get_by_label("Lasts").fill("3")
    await page.get_by_role("button", name="Save window").click()
    await expect(page.get_by_text("It is not saved: see what is marked.")).to_be_visible()
    await page.get_by_role("button", name="Add", exact=True).click()
    covered = page.get_by_role("group", name="Covered 1")
    await covered.get_by_label("Which site").click()
    await page.get_by_role("option", name="Harbour").click()
    await page.get_by_role("button", name="Save window").click()
    await expect(page.get_by_text("“Night of the berths” is saved")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/windows/\d+$"))
    (saved,) = (await fleet.http.get("/api/windows")).json()["items"]
    assert (saved["kind"], saved["covers"]) == ("allow", ["site Harbour"])

    await page.get_by_label("Description").fill("Agreed with the pilots.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("“Night of the berths” is saved").last).to_be_visible()
    for path in ("/windows", f"/windows/{saved['id']}"):
        await open_page.goto(path)
        await expect(open_page.get_by_text("Every Sunday at 02:00", exact=False).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            assert await violations(open_page) == []

    await page.goto("/windows")
    row = page.get_by_role("row", name=re.compile("Night of the berths"))
    await row.get_by_role("button", name="Turn Night of the berths off").click()
    await expect(row.get_by_text("Off", exact=True)).to_be_visible()
    await row.get_by_role("button", name="Delete Night of the berths").click()
    await expect(page.get_by_role("dialog")).to_contain_text("site Harbour")
    await page.get_by_role("button", name="Delete window").click()
    await expect(page.get_by_text("There is no window yet.")).to_be_visible()
