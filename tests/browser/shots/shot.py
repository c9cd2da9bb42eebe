"""What a picture is of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Page

#: Presses what must be pressed.
Do = Callable[[Page], Awaitable[None]]
Who = Literal["admin", "viewer", "nobody"]


@dataclass(frozen=True)
class Shot:
    """One screen as it is to be seen. `path` may name what the world made: `{job}`."""

    name: str
    path: str
    do: Do | None = None
    who: Who = "admin"
    #: What the API answers with an error, by a pattern of its path, where that is to be seen.
    fails: str | None = None


def press(name: str) -> Do:
    async def do(page: Page) -> None:
        await page.get_by_role("button", name=name).first.click()

    return do
