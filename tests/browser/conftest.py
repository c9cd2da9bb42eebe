from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.stage import chromium, context_of, watched
from tests.flows.fleet import Fleet, running
from watchbill.kit.secrets import KeyRing


@pytest.fixture
async def fleet(database_url: str, keys: KeyRing, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running(database_url, keys, tmp_path) as whole:
        yield whole


@pytest.fixture
async def page(fleet: Fleet) -> AsyncIterator[Page]:
    """A page of an admin's browser. The test fails where the page did: an exception, a refusal by its policy."""
    async with chromium() as browser:
        page = await (await context_of(browser, fleet)).new_page()
        wrong = watched(page)
        yield page
        assert wrong == []


@pytest.fixture
async def stranger(fleet: Fleet) -> AsyncIterator[Page]:
    """A page of a browser in which nobody is signed in."""
    async with chromium() as browser:
        yield await (await context_of(browser, fleet, is_signed_in=False)).new_page()


@pytest.fixture
async def open_page(fleet: Fleet) -> AsyncIterator[Page]:
    """As `page`, without its policy, so that axe can be put into it."""
    async with chromium() as browser:
        yield await (await context_of(browser, fleet, bypass_csp=True)).new_page()
