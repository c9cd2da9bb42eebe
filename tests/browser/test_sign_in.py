"""The way in: from an address inside to the sign-in and back to it."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import PASSWORD, Fleet

pytestmark = pytest.mark.timeout(180)


async def test_whoever_signs_in_comes_to_where_he_was_going_and_out_again(fleet: Fleet, stranger: Page) -> None:
    await stranger.goto("/jobs?health=failing")
    await expect(stranger).to_have_url(re.compile(r"/sign-in\?next="))
    await stranger.get_by_label("Username").fill("admin")
    await stranger.get_by_label(re.compile("^Password")).fill("wrong lantern")
    await stranger.get_by_role("button", name="Sign in").click()
    await expect(stranger.get_by_role("alert")).to_contain_text("Username or password is wrong.")
    await stranger.get_by_label(re.compile("^Password")).fill(PASSWORD)
    await stranger.get_by_role("button", name="Sign in").click()
    await expect(stranger.get_by_role("heading", name="Scheduled Jobs")).to_be_visible()
    await expect(stranger).to_have_url(re.compile(r"/jobs\?health=failing$"))
    await stranger.get_by_role("button", name=re.compile("Account of")).click()
    await stranger.get_by_role("menuitem", name="Sign out").click()
    await expect(stranger).to_have_url(re.compile("/sign-in"))


async def test_a_session_that_ends_leads_to_the_sign_in(fleet: Fleet, page: Page) -> None:
    await page.goto("/jobs")
    await expect(page.get_by_text("There is no job yet.")).to_be_visible()
    await page.context.clear_cookies()
    await page.goto("/jobs?state=paused")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_axe_finds_nothing_on_the_sign_in(fleet: Fleet, open_page: Page) -> None:
    await open_page.context.clear_cookies()
    await open_page.goto("/sign-in")
    await expect(open_page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await violations(open_page) == []
