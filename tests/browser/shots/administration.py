"""Pictures of sign-in, people and tokens, credentials, variables, notifications, the audit, workers, and what is the same everywhere."""

import re

from playwright.async_api import Page

from tests.browser.shots.shot import Shot, press


async def _palette(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.get_by_label("Search or go to").last.fill("a")


async def _make_token(page: Page) -> None:
    await page.get_by_role("button", name="New Token").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Backup checks")
    await page.get_by_role("button", name="Make token").click()


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")


async def _new_channel(page: Page) -> None:
    await page.get_by_role("button", name="New Channel").first.click()


async def _new_rule(page: Page) -> None:
    await page.get_by_role("button", name="New Rule").first.click()


async def _entry(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("All of the entry")).first.click()


EMPTY = (
    Shot("sign-in", "/sign-in", who="nobody"),
    Shot("credentials-empty", "/credentials"),
    Shot("credentials-new", "/credentials", do=press("New Credential")),
    Shot("variables-empty", "/variables"),
    Shot("tokens-empty", "/tokens"),
    Shot("time-notifications-empty", "/notifications?tab=channels"),
)
FULL = (
    Shot("credentials", "/credentials"),
    Shot("credentials-change", "/credentials", do=press("Change Harbour deploy")),
    Shot("credentials-lost", "/credentials", do=press("Change Old bastion")),
    Shot("credentials-winrm", "/credentials", do=press("Change Windows servers")),
    Shot("credentials-delete", "/credentials", do=press("Delete Fleet root")),
    Shot("variables", "/variables"),
    Shot("variables-set", "/variables", do=press("Set Variable")),
    Shot("operators", "/operators"),
    Shot("operators-new", "/operators", do=press("New Operator")),
    Shot("tokens", "/tokens"),
    Shot("tokens-new", "/tokens", do=press("New Token")),
    Shot("tokens-made", "/tokens", do=_make_token),
    Shot("palette", "/jobs", do=_palette),
    Shot("keys", "/jobs", do=_keys),
    Shot("not-found", "/nowhere"),
    Shot("time-notifications-told", "/notifications"),
    Shot("time-notifications-channels", "/notifications?tab=channels"),
    Shot("time-notifications-channel", "/notifications?tab=channels", do=_new_channel),
    Shot("time-notifications-rules", "/notifications?tab=rules"),
    Shot("time-notifications-rule", "/notifications?tab=rules", do=_new_rule),
    Shot("time-audit", "/audit"),
    Shot("time-audit-entry", "/audit?object_kind=job", do=_entry),
    Shot("time-workers", "/workers"),
)
