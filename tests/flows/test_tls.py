"""Over TLS with a certificate of our own: the agent pins it before it says a word, and speaks to no other."""

import asyncio
import subprocess

from tests.flows.fleet import AGENT, Fleet


async def test_an_agent_enrols_and_works_through_a_pinned_certificate(tls_fleet: Fleet) -> None:
    assert str(tls_fleet.http.base_url).startswith("https://")
    command = tls_fleet.site["enrolment_command"]
    assert "." in command.split("--code ")[1], "the pin travels in the code"
    agent = await tls_fleet.enrol("alpha")
    job = await tls_fleet.job(await tls_fleet.script("echo sealed"), agent)
    assert (await tls_fleet.closed(job))["outcome"] == "success"
    assert await tls_fleet.output(await tls_fleet.row(job)) == "sealed\n"


async def test_another_certificate_gets_nothing(tls_fleet: Fleet) -> None:
    wrong = "sha256:" + "00" * 32
    asked = await asyncio.to_thread(
        subprocess.run,
        [AGENT, "enroll", "--server", str(tls_fleet.http.base_url), "--code", tls_fleet.site["enrolment_code"],
         "--fingerprint", wrong, "--data-dir", str(tls_fleet.folder / "beta"), "--no-wait"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert asked.returncode == 8, asked.stderr
    assert (await tls_fleet.http.get("/api/device_approvals")).json()["items"] == []
