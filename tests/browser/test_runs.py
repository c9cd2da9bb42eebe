"""Results: a run watched live and stopped, what failed run again, old outputs found, two runs compared, a lost connection, very many devices."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.crowds import widen
from tests.browser.stage import enrolled, violations
from tests.browser.wire import wire
from tests.flows.fleet import Fleet, until

pytestmark = pytest.mark.timeout(420)

FAR = {"type": "daily", "start": "2031-01-01T03:00"}
LONG = (
    r"""printf '\033[32mready\033[0m\n'; n=0; while [ $n -lt 1800 ] && sleep 0.1; do n=$((n+1)); echo "step $n"; done"""
)


async def _start(fleet: Fleet, job: dict[str, Any]) -> dict[str, Any]:
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={})
    assert reply.status_code == 202, reply.text
    return dict(reply.json())


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("button", name=name, exact=True))


async def test_a_run_is_watched_as_it_writes_and_stopped_with_proof(fleet: Fleet, page: Page) -> None:
    one, two = await enrolled(fleet, "alpha"), await enrolled(fleet, "bravo")
    job = await fleet.job(await fleet.script(LONG), one, two, name="Long watch", schedule=FAR)
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text("This job has not run yet.")).to_be_visible()
    await page.get_by_role("button", name="Run it now").click()
    await expect(_row(page, "alpha").get_by_text("Running")).to_be_visible()  # nobody reloads
    await expect(page.get_by_text("0 of 2 devices have ended")).to_be_visible()
    await page.get_by_role("button", name="alpha", exact=True).click()
    await expect(page).to_have_url(re.compile(r"[?&]target=\d+"))
    output = page.get_by_role("region", name="Standard output of alpha")
    await expect(output.get_by_text(re.compile(r"^step [6-9]\d$")).first).to_be_visible()  # as they come
    # Who scrolls up is left there while more comes, until he goes to the end again.
    follow = page.get_by_role("button", name="Follow")
    await output.evaluate("one => { one.scrollTop = 0 }")
    await expect(output.get_by_text("ready", exact=True)).to_have_attribute("data-colour", "2")
    await follow.click()
    await expect(follow).to_be_hidden()
    await expect(output.get_by_text("ready", exact=True)).to_be_hidden()
    await page.get_by_label("Find in the output").fill("READY")
    await page.get_by_label("Find in the output").press("Enter")
    await expect(output.locator("mark[data-current=true]")).to_have_text("ready")
    await expect(page.get_by_text("1 of 1", exact=True)).to_be_visible()
    # One device alone, then all.
    await page.get_by_role("button", name="Stop alpha").click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop alpha").click()
    await expect(
        _row(page, "alpha").get_by_text("It was stopped, with everything that it had started.")
    ).to_be_visible()
    await expect(_row(page, "bravo").get_by_text("Running")).to_be_visible()
    await page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("This run of “Long watch” is stopped: 1 running device is asked")
    await dialog.get_by_role("button", name="Stop the run").click()
    await expect(page.get_by_role("status", name="What became of the stop")).to_contain_text(
        "2 stopped, with everything they had started"
    )
    await expect(page.get_by_text("Was stopped: of 2 devices 2 were stopped.")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop…")).to_be_hidden()


async def test_what_failed_is_seen_first_run_again_compared_and_found_by_its_words(
    fleet: Fleet, page: Page, tmp_path: Path
) -> None:
    one, two = await enrolled(fleet, "alpha"), await enrolled(fleet, "bravo")
    flag = tmp_path / "space"
    script = await fleet.script(
        f"echo looking; [ -e {flag} ] && exit 0; echo 'Disk quite full on /srv' >&2; exit 3", name="Check space"
    )
    job = await fleet.job(script, one, two, name="Check the space", schedule=FAR)
    first = await _start(fleet, job)
    await fleet.closed(job)
    await page.goto(f"/jobs/{job['id']}/run")
    pane = page.get_by_role("region", name="Output of alpha")
    await expect(pane).to_contain_text("First failure")
    await expect(pane.get_by_text("Disk quite full on /srv")).to_be_visible()  # without a click
    await page.get_by_role("link", name="2 failed").click()
    await expect(page).to_have_url(re.compile(r"[?&]state=failed"))
    for _ in ("alpha", "bravo"):
        await page.keyboard.press("n")
    await expect(page.get_by_role("region", name="Output of bravo")).to_be_visible()
    await page.get_by_text("Same outputs").click()
    group = page.get_by_role("article", name="Output of 2 devices")
    await expect(group).to_contain_text("Disk quite full on /srv")
    await group.get_by_role("button", name="Show these devices").click()
    await expect(page.get_by_text("2 devices", exact=True)).to_be_visible()
    # Another content, and exactly those that failed.
    saved = await fleet.http.get(f"/api/assemblies/{script}")
    body = {name: saved.json()[name] for name in ("name", "kind", "interpreter")}
    changed = await fleet.http.put(
        f"/api/assemblies/{script}",
        json={**body, "content": "echo enough space"},
        headers={"If-Match": saved.headers["ETag"]},
    )
    assert changed.status_code == 200, changed.text
    await page.get_by_role("button", name="Run again on").click()
    await page.get_by_role("menuitem", name=re.compile("^Failed")).click()
    await expect(page.get_by_role("dialog")).to_contain_text("runs now on the 2 devices that failed")
    await page.get_by_role("button", name="Run on 2 devices").click()
    await expect(page.get_by_text("Ran: of 2 devices 2 succeeded.")).to_be_visible()
    await expect(page.get_by_text("run again, by admin")).to_be_visible()
    # Both in the history, side by side.
    await page.get_by_role("link", name="Historical Runs").click()
    ticks = page.get_by_role("checkbox", name="Compare the run of")  # the page before has two ticks as well
    await expect(ticks).to_have_count(2)
    for tick in await ticks.all():
        await tick.check()
    await page.get_by_role("button", name="Compare them").click()
    ran = page.get_by_role("region", name="What ran")
    await expect(ran.get_by_text("enough space")).to_be_visible()
    await expect(page.get_by_role("region", name="Devices", exact=True)).to_contain_text(
        "2 are in both, 0 joined, 0 left."
    )
    await expect(page.get_by_role("region", name="Outputs")).to_contain_text("Disk quite full on /srv")
    # Weeks later somebody knows only what it said.
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.get_by_label("Find words in what scripts wrote").fill('"quite full"')
    hit = page.get_by_role("row", name=re.compile("alpha"))
    await expect(hit.locator("mark")).to_have_text("quite full")
    await hit.get_by_role("link", name=re.compile("quite full")).click()
    await expect(page).to_have_url(re.compile(f"occurrence={first['id']}"))
    await expect(page.get_by_role("region", name="Standard error of alpha")).to_contain_text("Disk quite full on /srv")


async def test_a_lost_connection_says_so_and_recovers_with_the_right_rows(
    fleet: Fleet, page: Page, tmp_path: Path
) -> None:
    agent = await enrolled(fleet, "alpha")
    flag = tmp_path / "go"
    job = await fleet.job(
        await fleet.script(f"echo waiting; until [ -e {flag} ]; do sleep 0.1; done; echo gone on"), agent, schedule=FAR
    )
    async with wire(fleet) as line:
        await page.goto(f"{line.url}/jobs/{job['id']}/run")
        await expect(page.get_by_role("status", name=re.compile("^Live"))).to_be_visible()
        await _start(fleet, job)
        output = page.get_by_role("region", name="Standard output of alpha")
        await expect(output.get_by_text("waiting")).to_be_visible()  # the only device there is, without a click
        line.cut()
        await expect(page.get_by_role("status", name=re.compile("^Reconnecting"))).to_be_visible()
        flag.touch()
        await fleet.closed(job)
        await expect(_row(page, "alpha").get_by_text("Running")).to_be_visible()  # as it was known last
        await line.mend()
        await expect(page.get_by_role("status", name=re.compile("^Live"))).to_be_visible()
        await expect(_row(page, "alpha").get_by_text("Success")).to_be_visible()
        await expect(output.get_by_text("gone on")).to_be_visible()
        await expect(output.get_by_text("waiting")).to_have_count(1)  # nothing is told twice


async def test_twenty_thousand_devices_are_scrolled_and_walked_through(fleet: Fleet, page: Page) -> None:
    agent = await enrolled(fleet, "alpha")
    job = await fleet.job(await fleet.script("true"), agent, schedule=FAR)
    started = await _start(fleet, job)
    await fleet.closed(job)
    async with fleet.db.begin() as tx:
        await widen(tx, started["id"], 20_000)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if re.search(r"/devices\?", one.url) else None)
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text("20,001 devices", exact=True)).to_be_visible()
    table = page.get_by_role("region", name="Devices of the run")
    await expect(_row(page, "alpha")).to_be_visible()
    await table.evaluate("one => { one.scrollTop = one.scrollHeight }")
    await expect(_row(page, "host-020000")).to_be_visible()
    await table.evaluate("one => { one.scrollTop = one.scrollHeight / 2 }")
    await expect(page.get_by_role("button", name=re.compile("^host-0(09|10)"))).not_to_have_count(0)
    assert await page.get_by_role("row").count() < 100, "only what is in sight is drawn"
    assert len(asked) < 12, "only pages in sight are read"
    await page.keyboard.press("n")
    await expect(page.get_by_role("region", name="Output of host-000025")).to_be_visible()
    await expect(_row(page, "host-000025")).to_be_visible()
    await page.keyboard.press("n")
    await expect(_row(page, "host-000075")).to_be_visible()
    await page.get_by_role("link", name="400 failed").click()
    await expect(page.get_by_text("400 devices", exact=True)).to_be_visible()
    await page.get_by_label("Find a device by its name").fill("19975")
    await expect(page.get_by_text("1 device", exact=True)).to_be_visible()
    await expect(_row(page, "host-019975")).to_contain_text("no space left on device")


async def test_axe_finds_nothing_on_the_results(fleet: Fleet, open_page: Page) -> None:
    agent = await enrolled(fleet, "alpha")
    job = await fleet.job(
        await fleet.script(r"printf '\033[31mred\033[0m \033[1;33myellow\033[0m\n'; echo oh >&2; exit 3"),
        agent,
        schedule=FAR,
    )
    ids = []
    for _ in range(2):
        ids.append((await _start(fleet, job))["id"])
        await fleet.closed(job)
    history = f"/jobs/{job['id']}/history"

    async def searched() -> bool:
        return bool((await fleet.http.get("/api/search", params={"q": "oh"})).json()["items"])

    await until(searched)
    for path, there in (
        (f"/jobs/{job['id']}/run", open_page.get_by_role("region", name="Standard error of alpha")),
        (f"/jobs/{job['id']}/run?stream=stdout", open_page.get_by_text("yellow")),
        (f"/jobs/{job['id']}/run?view=outputs", open_page.get_by_role("article").first),
        (history, open_page.get_by_role("listitem").first),
        (f"{history}?compare={ids[0]}&compare={ids[1]}", open_page.get_by_role("region", name="Outputs")),
        ("/search?q=oh", open_page.get_by_role("row", name=re.compile("alpha")).first),
    ):
        await open_page.goto(path)
        await expect(there).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            found = await violations(open_page)
            assert not found, "\n".join([path, scheme, *found])
