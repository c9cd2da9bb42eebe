"""How the web console's files are served: one page for every address that is no program's, hashed files for ever, no script of others."""

import gzip
import re

import pytest

from watchbill.api import console


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A console as a build leaves it, small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<script nonce="__NONCE__" src="/assets/index-abc.js"></script>')
    (tmp_path / "assets" / "index-abc.js").write_text("start()")
    (tmp_path / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(b"start()"))
    (tmp_path / "mark.svg").write_text("<svg/>")
    monkeypatch.setattr(console, "_console", console._Console(tmp_path))


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/7/run?occurrence=latest", "/apiary", "/assemblies/new"])
async def test_every_address_of_the_console_is_its_one_page(anonymous, built, path):
    page = await anonymous.get(path)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    (nonce,) = re.findall(r'nonce="([^"]+)"', page.text)
    assert f"'nonce-{nonce}'" in policy
    assert nonce not in (await anonymous.get(path)).text


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/agent/nothing", "/agent", "/healthz/x", "/metrics/x"])
async def test_a_wrong_path_of_the_api_stays_a_problem(anonymous, built, path):
    reply = await anonymous.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")


async def test_hashed_files_are_kept_for_ever_and_come_compressed_to_who_takes_it(anonymous, built):
    plain = await anonymous.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    small = await anonymous.get("/assets/index-abc.js", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    refused = await anonymous.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert plain.text == small.text == refused.text == "start()"
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    assert (small.headers["content-encoding"], small.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers


@pytest.mark.parametrize("path", ["/assets/gone.js", "/assets/../pages.py", "/assets/%2e%2e/%2e%2e/app.py"])
async def test_what_was_not_built_is_not_served(anonymous, built, path):
    reply = await anonymous.get(path)
    assert reply.status_code == 404 or "nonce=" in reply.text


async def test_other_files_are_asked_for_anew(anonymous, built):
    mark = await anonymous.get("/mark.svg")
    assert (mark.headers["content-type"], mark.headers["cache-control"]) == ("image/svg+xml", "no-cache")


async def test_without_a_console_one_page_says_so(anonymous, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "_console", console._Console(tmp_path))
    page = await anonymous.get("/jobs")
    assert page.status_code == 200
    assert "was not built" in page.text
