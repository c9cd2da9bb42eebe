"""The HTML page of the API itself: the list of its operations. Self-contained, nothing from elsewhere; so is every `page`."""

import base64
import hashlib

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

pages = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2530; --dim: #5b6675; --paper: #fbfbf9; --line: #d9dcd8; --accent: #0b6e6e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --dim: #9aa5b1; --paper: #14181d; --line: #2c343d; --accent: #5fc9c3; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 3rem 1.25rem; }
h1 { font-size: 1.75rem; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1rem; margin: 2.25rem 0 .5rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; max-width: 44rem; } .dim { color: var(--dim); }
a { color: var(--accent); } a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; } td { padding: .35rem .75rem .35rem 0; vertical-align: top; }
td:first-child { width: 5rem; font-weight: 600; } .scroll { overflow-x: auto; }
"""

_DOCS = """
<h1>Operations</h1>
<p class="dim">Read from the <a href="/api/openapi.json">OpenAPI document</a>, which also names every field.</p>
<div id="list" aria-live="polite"><p>Reading…</p></div>
<noscript><p>This list is made by a script; the OpenAPI document itself needs none.</p></noscript>
"""

_SCRIPT = """
const list = document.getElementById("list");
const put = (parent, tag, text) => {
  const made = parent.appendChild(document.createElement(tag));
  if (text) made.textContent = text;
  return made;
};
const byTag = (paths) => {
  const groups = new Map();
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ["other"])[0];
      groups.set(tag, [...(groups.get(tag) || []), { path, method, operation }]);
    }
  return groups;
};
const show = (document_) => {
  list.replaceChildren();
  for (const [tag, operations] of byTag(document_.paths)) {
    put(list, "h2", tag);
    const box = put(list, "div");
    box.className = "scroll";
    const table = put(box, "table");
    for (const { path, method, operation } of operations) {
      const row = put(table, "tr");
      put(row, "td", method.toUpperCase());
      const cell = put(row, "td");
      put(cell, "code", path);
      const about = put(cell, "div", operation.description || operation.summary || "");
      about.className = "dim";
    }
  }
};
fetch("/api/openapi.json").then((reply) => reply.json()).then(show).catch(() => {
  list.replaceChildren();
  put(list, "p", "The OpenAPI document could not be read; load this page again.");
});
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(title: str, body: str, script: str = "") -> HTMLResponse:
    """A page of its own: its policy names its style and its script by their hashes, and allows nothing else."""
    tag = f"<script>{script}</script>" if script else ""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>{body}</main>{tag}</body></html>"
    )
    policy = f"default-src 'none'; img-src data:; style-src {_hash(_STYLE)}; frame-ancestors 'none'; base-uri 'none'"
    if script:
        policy += f"; script-src {_hash(script)}; connect-src 'self'"
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


@pages.get("/api/docs")
async def show_operations() -> HTMLResponse:
    return page("Watchbill API", _DOCS, _SCRIPT)
