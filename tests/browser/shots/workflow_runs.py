"""Pictures of runs of workflows: none, one that waits for a person, one that failed in each view, the list, approvals."""

from playwright.async_api import Page

from tests.browser.shots.shot import Shot, press


async def _look_into(page: Page) -> None:
    await page.get_by_role("button", name="crane-01", exact=True).click()


async def _new_webhook(page: Page) -> None:
    await page.get_by_role("button", name="New Webhook").first.click()


EMPTY = (
    Shot("workflow-runs-empty", "/workflow-runs"),
    Shot("workflow-approvals-empty", "/approvals?kind=workflows"),
)
FULL = (
    Shot("workflow-run-asking", "/workflow-runs/{asking_run}"),
    Shot("workflow-run-viewer", "/workflow-runs/{asking_run}", who="viewer"),
    Shot("workflow-run-failed", "/workflow-runs/{broken_run}?view=graph"),
    Shot("workflow-run-output", "/workflow-runs/{broken_run}?node=check", do=_look_into),
    Shot("workflow-run-timeline", "/workflow-runs/{broken_run}?view=timeline&node=check&tab=node"),
    Shot("workflow-run-list", "/workflow-runs/{broken_run}?view=list&node=ask&tab=data"),
    Shot("workflow-run-again", "/workflow-runs/{broken_run}", do=press("Run again…")),
    Shot("workflow-run-none", "/workflow-runs/1"),
    Shot("workflow-run-error", "/workflow-runs/{broken_run}", fails="**/api/workflow_runs/*"),
    Shot("workflow-runs", "/workflow-runs"),
    Shot("workflow-launch", "/assemblies/{asking_first}/runs", do=press("Run now…")),
    Shot("workflow-approvals", "/approvals?kind=workflows"),
    Shot("webhooks-none", "/assemblies/{asking_first}/webhooks"),
    Shot("webhook-new", "/assemblies/{asking_first}/webhooks", do=_new_webhook),
)
