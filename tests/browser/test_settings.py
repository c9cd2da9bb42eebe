"""Settings > Variables and API Tokens: what is secret is shown once or never."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.browser.world_stock import stock
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)

_SECRET = "amber light over the breakwater"


async def test_a_token_is_shown_once_and_a_secret_never(fleet: Fleet, page: Page) -> None:
    await page.goto("/tokens")
    await page.get_by_role("button", name="New Token").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Control room")
    await dialog.get_by_role("button", name="Make token").click()
    await expect(dialog).to_contain_text("It is shown this once.")
    text = await dialog.get_by_role("code").first.inner_text()
    async with httpx.AsyncClient(base_url=fleet.http.base_url, headers={"Authorization": f"Bearer {text}"}) as script:
        assert (await script.get("/api/session")).json()["permissions"] == ["read"]
        await dialog.get_by_role("button", name="I have it").click()
        row = page.get_by_role("row", name=re.compile("Control room"))
        await expect(row).to_contain_text("Active")
        assert text not in await page.content()
        await row.get_by_role("button", name="Revoke Control room").click()
        await page.get_by_role("button", name="Revoke token").click()
        await expect(row).to_contain_text("Revoked")
        assert (await script.get("/api/session")).status_code == 401

    await page.goto("/variables")
    await page.get_by_role("button", name="Set Variable").first.click()
    await dialog.get_by_label("Name").fill("VAULT_TOKEN")
    await dialog.get_by_label("one site").check()
    await dialog.get_by_role("combobox", name="Kind of value").click()
    await page.get_by_role("option", name="Secret").click()
    await dialog.get_by_label(re.compile(r"^Value\s*\*?$")).fill(_SECRET)
    await dialog.get_by_role("button", name="Set variable").click()
    await expect(dialog).to_contain_text("Choose a site.")
    await dialog.get_by_role("combobox", name="Site").click()
    await page.get_by_role("option", name="Harbour").click()
    await dialog.get_by_role("button", name="Set variable").click()
    await expect(page.get_by_text("VAULT_TOKEN is set.")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("VAULT_TOKEN"))
    await expect(row).to_contain_text("secret, never shown")
    await row.get_by_role("button", name="Set VAULT_TOKEN for the site Harbour anew").click()
    await expect(dialog.get_by_label("New value")).to_have_value("")
    await dialog.get_by_label("Description").fill("of the vault")
    await dialog.get_by_role("button", name="Set anew").click()
    await expect(row).to_contain_text("of the vault")
    assert _SECRET not in await page.content()
    (kept,) = (await fleet.http.get("/api/variables")).json()["items"]
    assert (kept["is_secret"], kept["is_set"], kept["value"], kept["site_name"]) == (True, True, None, "Harbour")
    await row.get_by_role("button", name="Take VAULT_TOKEN for the site Harbour away").click()
    await page.get_by_role("button", name="Take it away").click()
    await expect(page.get_by_text("No value is set yet.")).to_be_visible()


@pytest.mark.timeout(400)  # eight screens in two schemes
async def test_axe_finds_nothing_on_assemblies_and_settings(fleet: Fleet, open_page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    assembly = (await stock(fleet, agent))["assembly"]
    screens = {
        "/assemblies": "Rotate service keys",
        "/assemblies/new": "It declares none.",
        f"/assemblies/{assembly}": "Take new keys from the vault",
        f"/assemblies/{assembly}?tab=revisions": "changed: script",
        f"/assemblies/{assembly}?tab=jobs": "Rotate keys of the lock",
        "/variables": "eu-central-2",
        "/operators": "Nora Kai",
        "/tokens": "Nightly import",
    }
    found: dict[str, list[str]] = {}
    for path, seen in screens.items():
        await open_page.goto(path)
        # Of several the one in sight: tabs that are not shown are there too.
        await expect(open_page.get_by_text(seen).filter(visible=True).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            if wrong := await violations(open_page):
                found[f"{path} {scheme}"] = wrong
    for path, button in (("/operators", "New Operator"), ("/tokens", "New Token"), ("/variables", "Set Variable")):
        await open_page.goto(path)
        await open_page.get_by_role("button", name=button).click()
        await expect(open_page.get_by_role("dialog")).to_be_visible()
        if wrong := await violations(open_page):
            found[f"{path} {button}"] = wrong
    assert found == {}
