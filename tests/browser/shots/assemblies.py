"""Pictures of the catalogue and its editor."""

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


async def _to_files(page: Page) -> None:
    await page.get_by_role("region", name="Files").scroll_into_view_if_needed()


async def _save_assembly(page: Page) -> None:
    await page.get_by_role("textbox", name="Script", exact=True).click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("logger keys are new")
    await page.get_by_role("button", name="Save").click()


EMPTY = (
    Shot("assemblies-empty", "/assemblies"),
    Shot("assembly-new", "/assemblies/new"),
)
FULL = (
    Shot("assemblies", "/assemblies"),
    Shot("assemblies-error", "/assemblies", fails="**/api/assemblies?*"),
    Shot("assembly", "/assemblies/{assembly}"),
    Shot("assembly-below", "/assemblies/{assembly}", do=_to_files),
    Shot("assembly-revisions", "/assemblies/{assembly}?tab=revisions"),
    Shot("assembly-jobs", "/assemblies/{assembly}?tab=jobs"),
    Shot("assembly-save", "/assemblies/{assembly}", do=_save_assembly),
)
