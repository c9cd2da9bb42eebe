"""A job that runs as whoever is signed in: on the page of its run each session is a row of its own."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.factories.accounts import SignIns, accounts, needs_root
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def people() -> Iterator[SignIns]:
    """Their agent lives where users other than root can go through."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    with accounts(folder, 2) as there:
        yield there
    shutil.rmtree(folder, ignore_errors=True)


@needs_root
async def test_each_session_is_a_row_with_an_output_of_its_own(
    fleet: Fleet, page: Page, open_page: Page, people: SignIns
) -> None:
    ada, bob = people.users
    for line, user in (("pts/1", ada), ("pts/2", bob)):
        people.sign_in(line, user)
    agent = await fleet.enrol("alpha", folder=people.file.parent, utmp=people.file)
    script = await fleet.script(f'echo "it is $USER"; test "$USER" = {ada} || exit 3', name="Map the drives")
    job = await fleet.job(script, agent, name="Map the drives", execution_context="current_user")
    await fleet.closed(job)
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text(f"In 1 of 2 sessions: {bob}.").first).to_be_visible()
    rows = page.get_by_role("row")
    good, bad = (rows.filter(has=page.get_by_role("button", name=re.compile(f"^{user} on "))) for user in (ada, bob))
    await expect(good).to_contain_text("Success")
    await expect(good).to_contain_text(f"it is {ada}")
    await expect(bad).to_contain_text("Failed")
    for user, one in ((ada, good), (bob, bad)):
        await one.get_by_role("button").click()
        await expect(page.get_by_role("region", name=re.compile("^Standard output of "))).to_contain_text(
            f"it is {user}"
        )
    await open_page.goto(f"/jobs/{job['id']}/run")
    await expect(open_page.get_by_text(f"it is {ada}").first).to_be_visible()
    for scheme in ("light", "dark"):
        await open_page.emulate_media(color_scheme=scheme)
        assert await violations(open_page) == []
