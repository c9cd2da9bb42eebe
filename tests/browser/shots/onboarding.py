"""Pictures of jobs that look for machines: their editor, their addresses, and where else they are met."""

from playwright.async_api import Page

from tests.browser.shots.shot import Shot, press

_WRONG = "10.4.0.0/24\n10.4.1.10-40\n10.4.300.1\n# the cranes\ncrane_7!\ncrane-7.harbour.example:2222\n10.4.2.9-3"


async def _faulty(page: Page) -> None:
    await page.get_by_role("textbox", name="Addresses").fill(_WRONG)
    await page.get_by_role("textbox", name="Left out").fill("10.4.0.1\n10.4.0.250-260")
    await page.get_by_text("Line 3:").wait_for()


async def _too_many(page: Page) -> None:
    await page.get_by_role("textbox", name="Addresses").fill("10.0.0.0/8")
    await page.get_by_text("at most 4,096 are allowed").wait_for()


async def _asked(page: Page) -> None:
    await page.get_by_role("button", name="Save and start").click()


EMPTY = (Shot("onboarding-editor-empty", "/jobs/new?kind=onboarding&site={site}"),)
FULL = (
    Shot("onboarding-editor", "/jobs/new?kind=onboarding&site={site}", do=_faulty),
    Shot("onboarding-editor-many", "/jobs/new?kind=onboarding&site={site}", do=_too_many),
    Shot("onboarding-editor-asked", "/jobs/new?kind=onboarding", do=_asked),
    Shot("onboarding-editor-saved", "/jobs/{onboarding}"),
    Shot("onboarding-grid", "/jobs/{onboarding}/run"),
    Shot("onboarding-grid-filtered", "/jobs/{onboarding}/run?state=failed&reason=no_space"),
    Shot("onboarding-grid-none", "/jobs/{onboarding}/run?q=nothing-like-this"),
    Shot("onboarding-grid-viewer", "/jobs/{onboarding}/run", who="viewer"),
    Shot("onboarding-grid-many", "/jobs/{onboarding_many}/run"),
    Shot("onboarding-grid-new", "/jobs/{onboarding_new}/run"),
    Shot("onboarding-grid-error", "/jobs/{onboarding}/run", fails="**/api/onboarding/**"),
    Shot("onboarding-panel", "/jobs/{onboarding}/run?target={address}"),
    Shot("onboarding-panel-failed", "/jobs/{onboarding}/run?target={address_failed}"),
    Shot("onboarding-approve", "/jobs/{onboarding}/run", do=press("Approve 10.4.0.10")),
    Shot("onboarding-approve-all", "/jobs/{onboarding}/run", do=press("Approve all 2 waiting…")),
    Shot("onboarding-retry", "/jobs/{onboarding}/run", do=press("Retry unfinished")),
    Shot("onboarding-jobs", "/jobs?kind=onboarding"),
    Shot("onboarding-approvals", "/approvals"),
    Shot("onboarding-site", "/sites/{site}"),
)
