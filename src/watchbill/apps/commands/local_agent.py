"""This machine's own agent: asks in with the code of its site like any other, and becomes the agent once a person said yes."""

import asyncio
import json
import os
import subprocess
import sys

from watchbill import sites
from watchbill.apps import tls, wiring
from watchbill.apps.commands.exits import CliError
from watchbill.apps.up import base_url
from watchbill.identity import ENGINE
from watchbill.kit.settings import PREFIX, Settings
from watchbill.sites import SiteDraft

_AGENT = [sys.executable, "-m", "watchbill_agent"]


def run(config: Settings, site_name: str) -> None:
    """Enrol if that is not done yet, then turn into the agent. Returns only by raising."""
    where = ["--data-dir", str(config.data_dir / "agent")]
    # Scripts inherit the agent's environment: nothing of the Engine's belongs there.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if not _is_enrolled(where, environment):
        code = asyncio.run(_code(config, site_name))
        command = [*_AGENT, "enroll", "--server", base_url(config), "--code", code, *where]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode:
            raise CliError(f"The agent was not enrolled (exit status {done.returncode}).")
    os.execve(sys.executable, [*_AGENT, "run", *where], environment)  # noqa: S606 - the agent takes this process's place


def _is_enrolled(where: list[str], environment: dict[str, str]) -> bool:
    command = [*_AGENT, "status", "--json", *where]
    status = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return status.returncode == 0 and json.loads(status.stdout)["state"] == "approved"


async def _code(config: Settings, site_name: str) -> str:
    """The enrolment code of the site, with the pin of our certificate."""
    certificate = tls.ensure(config)
    async with wiring.engine(config, "agent") as engine, engine.db.begin() as tx:
        page = await sites.list_sites(tx, ENGINE, q=site_name, limit=500, cursor=None)
        found = next((one for one in page.items if one.name.lower() == site_name.lower()), None)
        if found is None:
            now = await engine.clock.now(tx)
            found = await sites.create_site(tx, ENGINE, SiteDraft(name=site_name), keys=engine.keys, now=now)
        code = sites.enrolment_code(engine.keys, ENGINE, found)
    if code is None:
        raise CliError(f"The site {site_name} has no enrolment code.")
    return f"{code.reveal()}.{certificate.pin}" if certificate else code.reveal()
