"""The web console: the files that `web/` was built into, and its one page for every address that is not the API's.

Knows nothing of what the console shows. Files whose names hold a hash of their content are kept by browsers for ever, the page
itself is asked for each time. Its policy allows scripts and styles from here alone; the few styles that the console's widgets
write while they run carry the page's nonce.
"""

import mimetypes
import secrets
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from watchbill.api.pages import page

#: What belongs to programs: nothing there is ever answered with the page.
NOT_OURS: Final = r"(?!(?:api|agent|healthz|readyz|metrics)(?:/|$))"
_BUILT = Path(str(resources.files("watchbill") / "console"))
#: Best first: what the build left beside a file, as browsers ask for it.
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_NONCE: Final = "__NONCE__"
_FOREVER, _ASK = "public, max-age=31536000, immutable", "no-cache"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_NOT_BUILT: Final = """
<h1>Watchbill</h1>
<p>The web console was not built. <code>make setup</code> builds it; everything else works without it.</p>
<p class="dim">API: <a href="/api/docs">operations</a>, and their <a href="/api/openapi.json">OpenAPI document</a>.</p>
"""


class _ConsolePath(Convertor[str]):
    """Any path but those of the API, so that a wrong one of these stays a 404 for programs."""

    regex = NOT_OURS + ".*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("console_path", _ConsolePath())
#: Mounted last: it takes what nothing else has taken.
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class _Console:
    """What a build left in a folder; read once, as a new build comes with a new process."""

    folder: Path

    @cached_property
    def page(self) -> str | None:
        path = self.folder / "index.html"
        return path.read_text(encoding="utf-8") if path.is_file() else None

    @cached_property
    def files(self) -> dict[str, Path]:
        """By the paths that they are asked for with; so nothing outside of the folder can be named."""
        return {
            one.relative_to(self.folder).as_posix(): one
            for one in self.folder.rglob("*")
            if one.is_file() and one.suffix not in _ENCODINGS.values() and one.name != "index.html"
        }


_console = _Console(_BUILT)


@router.get("/{path:console_path}")
async def show_console(path: str, request: Request) -> Response:
    if path in _console.files:
        return _file(_console.files[path], request.headers.get("Accept-Encoding", ""))
    if path.startswith("assets/"):
        raise HTTPException(404)
    return _page(_console.page)


def _page(html: str | None) -> HTMLResponse:
    if html is None:
        return page("Watchbill", _NOT_BUILT)
    nonce = secrets.token_urlsafe(18)
    headers = {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": _ASK}
    return HTMLResponse(html.replace(_NONCE, nonce), headers=headers)


def _file(path: Path, accepted: str) -> FileResponse:
    kept = _FOREVER if path.parent.name == "assets" else _ASK
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    wanted = {part.partition(";")[0].strip() for part in accepted.split(",") if "q=0" not in part.split(";")[1:]}
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    for encoding, suffix in _ENCODINGS.items():
        smaller = path.with_name(path.name + suffix)
        if encoding in wanted and smaller.is_file():
            return FileResponse(smaller, headers={**headers, "Content-Encoding": encoding}, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)
