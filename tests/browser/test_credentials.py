"""Automation > Credentials: secrets are written and never shown; what a lost key does is said; jobs that use one are named."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.browser.world_stock import stock
from tests.factories.logins import lose, sign_in_with
from tests.factories.private_keys import PASSPHRASE, ed25519_key, public_line, written
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)

_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}
_SECRET = "amber light over the breakwater"


async def test_a_credential_is_written_changed_and_deleted_and_its_secrets_are_never_seen(
    fleet: Fleet, page: Page
) -> None:
    key = ed25519_key()
    await page.goto("/credentials")
    await page.get_by_role("button", name="New Credential").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=False).first.fill("Fleet root")
    await dialog.get_by_label("Username").fill("root")
    await dialog.get_by_label("Private key").fill(public_line(key))
    await dialog.get_by_role("button", name="Make credential").click()
    await expect(dialog).to_contain_text("Is a public key: give the private one")
    await dialog.get_by_label("Private key").fill(written(key, PASSPHRASE))
    await dialog.get_by_role("textbox", name="Passphrase of the key").fill("wrong")
    await dialog.get_by_role("button", name="Make credential").click()
    await expect(dialog).to_contain_text("Does not open this private key.")
    await dialog.get_by_role("textbox", name="Passphrase of the key").fill(PASSPHRASE)
    await dialog.get_by_role("textbox", name="Password").fill(_SECRET)
    await dialog.get_by_role("button", name="Make credential").click()
    await expect(page.get_by_text("“Fleet root” is saved.")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("Fleet root"))
    await expect(row).to_contain_text("password and ed25519 key")
    await expect(row).to_contain_text("Every site")
    for secret in (_SECRET, PASSPHRASE, "OPENSSH"):
        assert secret not in await page.content()

    await row.get_by_role("button", name="Change Fleet root").click()
    await expect(dialog.get_by_role("textbox", name="New password")).to_have_value("")
    await expect(dialog).to_contain_text("Stored: ed25519 256, SHA256:")
    await dialog.get_by_label("Username").fill("ops")
    await dialog.get_by_role("button", name="Take the stored password away").click()
    await expect(dialog).to_contain_text("The stored one is taken away.")
    await dialog.get_by_role("button", name="Save credential").click()
    await expect(row).to_contain_text("ops")
    (kept,) = (await fleet.http.get("/api/credentials")).json()["items"]
    assert [kept[f"has_{name}"] for name in ("password", "private_key", "passphrase")] == [False, True, True]
    await row.get_by_role("button", name="Delete Fleet root").click()
    await expect(dialog).to_contain_text("No job signs in with it.")
    await dialog.get_by_role("button", name="Delete credential").click()
    await expect(page.get_by_text("There is no credential yet.")).to_be_visible()


async def test_one_in_use_stays_and_a_lost_key_is_told_until_the_secret_is_given_anew(fleet: Fleet, page: Page) -> None:
    body = {"name": "Fleet root", "kind": "ssh", "username": "root", "password": _SECRET}
    made = (await fleet.http.post("/api/credentials", json=body)).json()
    agent = await fleet.enrol("alpha", start=False)
    job = await fleet.job(await fleet.script("true"), agent, name="Sweep the decks", schedule=_DAILY)
    async with fleet.db.begin() as tx:
        await sign_in_with(tx, job["id"], made["id"])
    await page.goto("/credentials")
    await page.get_by_role("button", name="Delete Fleet root").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("link", name="Sweep the decks")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Delete credential")).to_be_disabled()
    await dialog.get_by_role("button", name="Cancel").click()

    async with fleet.db.begin() as tx:
        await lose(tx)
    await page.reload()
    row = page.get_by_role("row", name=re.compile("Fleet root"))
    await expect(row).to_contain_text("Secrets lost")
    await expect(row).to_contain_text("Give anew: password.")
    await row.get_by_role("button", name="Change Fleet root").click()
    await expect(dialog).to_contain_text("Nothing can sign in with it")
    await dialog.get_by_role("textbox", name="New password").fill("another one")
    await dialog.get_by_role("button", name="Save credential").click()
    await expect(row).to_contain_text("Ready")


@pytest.mark.timeout(300)
async def test_axe_finds_nothing_on_credentials(fleet: Fleet, open_page: Page) -> None:
    await stock(fleet, await fleet.enrol("alpha", start=False))
    found: dict[str, list[str]] = {}
    for button in (None, "New Credential", "Change Old bastion", "Change Windows servers", "Delete Fleet root"):
        await open_page.goto("/credentials")
        await expect(open_page.get_by_text("Harbour deploy")).to_be_visible()
        if button:
            await open_page.get_by_role("button", name=button).click()
            await expect(open_page.get_by_role("dialog")).to_be_visible()
            await open_page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            if wrong := await violations(open_page):
                found[f"{button} {scheme}"] = wrong
    assert found == {}
