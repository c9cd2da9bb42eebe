"""`watchbill demo`: a throwaway Engine, this machine enrolled by the ordinary way, three jobs and what became of them.

Uses nothing that a user does not have: `watchbill up`, `watchbill-agent` and the API. Leaves no process and no file behind.
"""

import asyncio
import os
import platform
import secrets
import shutil
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from watchbill.apps.client.connection import Api
from watchbill.apps.client.output import Column, Out, plain
from watchbill.apps.commands.exits import CliError
from watchbill.apps.supervisor import Child, ChildEvent, Supervisor
from watchbill.apps.up import ADMIN_PASSWORD, Reporter, answers, command, ends_on_signal
from watchbill.kit.clock import rfc3339
from watchbill.kit.secrets import Secret
from watchbill.kit.settings import PREFIX, Listen

T = TypeVar("T")

#: Bounds of the steps; a slow machine needs a tenth of them.
_START_SECONDS = 120.0
_STEP_SECONDS = 60.0
_RUN_SECONDS = 120.0
_LOOK_SECONDS = 0.3
#: The job "soon" is due at the next whole minute that is at least this far away.
_AHEAD_SECONDS = 3
_TAIL = 25

_SCRIPT = """\
echo "Hello from $(hostname), ${GREETING}"
echo "system:  $(uname -srm)"
echo "up:      $(($(cut -d. -f1 /proc/uptime) / 60)) minutes"
echo "root:    $(df -h / | awk 'NR == 2 {print $4 " of " $2 " free"}')"
"""


@dataclass
class _Screen:
    """What the demo tells, and the log lines that are shown only when something fails."""

    out: Out = field(default_factory=Out)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))

    def line(self, name: str, text: str) -> None:
        self.log.append(text if name == "engine" else f"{name:<9} | {text}")

    def event(self, event: ChildEvent) -> None:
        self.line("demo", f"{event.name}: {event.event} {event.returncode if event.returncode is not None else ''}")

    def step(self, text: str) -> None:
        sys.stdout.write(f"  {text}\n")
        sys.stdout.flush()

    def title(self, text: str) -> None:
        sys.stdout.write(f"\n{text}\n")
        sys.stdout.flush()


@dataclass
class _Demo:
    """One throwaway Engine and the conversation with it."""

    screen: _Screen
    supervisor: Supervisor
    folder: Path
    api_listen: Listen
    gateway_listen: Listen
    password: Secret
    hostname: str = field(default_factory=platform.node)

    @property
    def url(self) -> str:
        return f"http://{self.api_listen}"


async def main(*, is_attended: bool) -> None:
    """Show everything; then stay until Ctrl-C when somebody is there, else clean up and return."""
    screen = _Screen()
    try:
        with ends_on_signal(Reporter()):
            async with _throwaway(screen) as demo:
                await _show(demo)
                if is_attended:
                    _invite(demo)
                    await asyncio.Event().wait()
                screen.title("That was it; everything is being stopped and removed.")
    except CliError as error:
        raise CliError(error.message, error.exit_code, [*error.problems, *screen.log]) from None


@asynccontextmanager
async def _throwaway(screen: _Screen) -> AsyncIterator[_Demo]:
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        api_listen, gateway_listen = _free_addresses()
        async with Supervisor(on_line=screen.line, on_event=screen.event) as supervisor:
            yield _Demo(screen, supervisor, folder, api_listen, gateway_listen, Secret(secrets.token_urlsafe(12)))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the database's own account can reach (root runs it under another one), gone afterwards."""
    base = Path("/var/lib") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="watchbill-demo-", dir=base))
    try:
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_addresses() -> tuple[Listen, Listen]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return Listen("127.0.0.1", one.getsockname()[1]), Listen("127.0.0.1", other.getsockname()[1])


# --- the story ---------------------------------------------------------------------------------------------------------


async def _show(demo: _Demo) -> None:
    screen = demo.screen
    screen.title("Watchbill demo: a throwaway Engine on this machine")
    await _start_engine(demo)
    api = await _signed_in(demo)
    try:
        device = await _enrol(demo, api)
        jobs = await _save_jobs(demo, api, device)
        await _show_results(demo, api, jobs)
    finally:
        api.close()


async def _start_engine(demo: _Demo) -> None:
    begun = asyncio.get_running_loop().time()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {
        "WATCHBILL_DATA_DIR": str(demo.folder / "engine"),
        "WATCHBILL_API_LISTEN": str(demo.api_listen),
        "WATCHBILL_GATEWAY_LISTEN": str(demo.gateway_listen),
        ADMIN_PASSWORD: demo.password.reveal(),
    }
    engine = Child(
        name="engine",
        argv=command("up"),
        env=environment,
        ready=lambda: _is_up(demo),
        ready_timeout_seconds=_START_SECONDS,
        # Longer than all of its own children may take together.
        stop_grace_seconds=60,
        restart=False,
    )
    await demo.supervisor.start(engine)
    seconds = asyncio.get_running_loop().time() - begun
    demo.screen.step(f"Engine      ready at {demo.url}, database and all, after {seconds:.1f} s")


async def _is_up(demo: _Demo) -> bool:
    return await answers(demo.api_listen, "/readyz", is_tls=False) and await answers(
        demo.gateway_listen, "/healthz", is_tls=False
    )


async def _signed_in(demo: _Demo) -> Api:
    """As the first admin, whose password the demo chose: with a session, as a browser would."""
    api = Api(demo.url)
    body = {"username": "admin", "password": demo.password.reveal()}
    reply = await asyncio.to_thread(api.post, "/api/session", body)
    api.client.headers["X-CSRF-Token"] = reply["csrf_token"]
    return api


async def _enrol(demo: _Demo, api: Api) -> dict[str, Any]:
    """The ordinary way: the machine asks with its site's code, a person says yes, the agent comes online."""
    site = await asyncio.to_thread(api.post, "/api/sites", {"name": "Demo"})
    agent = [sys.executable, "-m", "watchbill_agent"]
    where = ["--data-dir", str(demo.folder / "agent")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    asking = [*agent, "enroll", "--server", demo.url, "--code", site["enrolment_code"], *where]
    await demo.supervisor.start(Child(name="enrol", argv=asking, env=environment, restart=False))
    request = await _until("this machine asks to be enrolled", lambda: _pending(api))
    demo.screen.step(f"Enrolment   {request['hostname']} asks in, with the key {request['key_fingerprint'][:23]}…")
    await asyncio.to_thread(api.post, f"/api/device_approvals/{request['id']}/approve", {})
    status = await demo.supervisor.wait("enrol")
    if status:
        raise CliError(f"The enrolment ended with exit status {status}.")
    demo.screen.step("Approval    given")
    await demo.supervisor.start(Child(name="agent", argv=[*agent, "run", *where], env=environment))
    device = await _until("the agent is online", lambda: _online(api))
    demo.screen.step(f"Agent       online: {device['os_name']} {device['os_version']}, {device['arch']}")
    return device


def _pending(api: Api) -> dict[str, Any] | None:
    items: list[dict[str, Any]] = api.get("/api/device_approvals", {"state": "pending"})["items"]
    return items[0] if items else None


def _online(api: Api) -> dict[str, Any] | None:
    """Online, and known by its inventory: what runs here is decided by the interpreters it has."""
    items: list[dict[str, Any]] = api.get("/api/devices", {"online": True})["items"]
    return items[0] if items and items[0]["interpreters"] is not None else None


async def _save_jobs(demo: _Demo, api: Api, device: dict[str, Any]) -> list[dict[str, Any]]:
    assembly = await asyncio.to_thread(
        api.post,
        "/api/assemblies",
        {
            "name": "Say hello",
            "interpreter": "bash",
            "content": _SCRIPT,
            "variables": [{"name": "GREETING", "type": "string", "default": "well met"}],
            "time_limit_seconds": 30,
        },
    )
    demo.screen.step(
        f"Assembly    “{assembly['name']}”, a {assembly['interpreter']} script, revision {assembly['revision']}"
    )
    # Schedules count in whole minutes: the next one that leaves time to save the job.
    now = await asyncio.to_thread(api.now)
    soon = rfc3339((now + timedelta(minutes=1, seconds=_AHEAD_SECONDS)).replace(second=0, microsecond=0))
    schedules = {
        "Hello now": {"type": "immediately"},
        "Hello soon": {"type": "once", "start": soon},
        "Hello every five minutes": {"type": "every_5_minutes"},
    }
    jobs = []
    for name, schedule in schedules.items():
        job = {
            "name": name,
            "components": [{"assembly_id": assembly["id"], "variables": {"GREETING": f"job “{name}”"}}],
            "targets": [{"kind": "device", "device_id": device["id"]}],
            "schedule": schedule,
        }
        jobs.append(await asyncio.to_thread(api.post, "/api/scheduled_jobs", job))
    demo.screen.title("Three jobs")
    columns = [
        Column("job", "name", is_wrapped=True),
        Column("schedule", "schedule_text", is_wrapped=True),
        Column("next due", lambda row: demo.screen.out.when(row["next_due_at"])),
    ]
    demo.screen.out.table(jobs, columns)
    return jobs


async def _show_results(demo: _Demo, api: Api, jobs: list[dict[str, Any]]) -> None:
    demo.screen.title("What became of the first two")
    failed = []
    for job in jobs[:2]:
        if job["next_due_at"]:
            demo.screen.step(f"“{job['name']}” is due {demo.screen.out.when(job['next_due_at'])} …\n")
        row = await _until(f"the job “{job['name']}” has run", partial(_finished, api, job["id"]), seconds=_RUN_SECONDS)
        _show_row(demo, job["name"], row, await asyncio.to_thread(_output, api, row))
        if row["state"] != "success":
            failed.append(f"{job['name']} on {row['device']['hostname']}: {row['state']} {row['reason'] or ''}")
    if failed:
        raise CliError("A job did not succeed:", problems=failed)
    await _show_next(demo, api, jobs[2])


def _show_row(demo: _Demo, name: str, row: dict[str, Any], text: str) -> None:
    columns = [
        Column("job", lambda _row: name),
        Column("device", lambda row: row["device"]["hostname"]),
        Column("state", "state"),
        Column("exit", "exit_code", is_right=True),
        Column("finished", lambda row: demo.screen.out.when(row["finished_at"])),
    ]
    demo.screen.out.table([row], columns)
    sys.stdout.writelines(f"    {line}\n" for line in plain(text).splitlines())
    sys.stdout.write("\n")


async def _show_next(demo: _Demo, api: Api, job: dict[str, Any]) -> None:
    found = await asyncio.to_thread(api.get, f"/api/scheduled_jobs/{job['id']}/preview")
    times = [demo.screen.out.when(one["at"]) for one in found["instants"][:3]]
    sys.stdout.write(f"“{job['name']}” goes on: {', '.join(str(one) for one in times)}, …\n")


def _finished(api: Api, job_id: int) -> dict[str, Any] | None:
    runs = api.get(f"/api/scheduled_jobs/{job_id}/runs")["items"]
    if not runs or runs[0]["state"] == "open":
        return None
    rows: list[dict[str, Any]] = api.get(f"/api/scheduled_jobs/{job_id}/devices")["items"]
    return rows[0] if rows else None


def _output(api: Api, row: dict[str, Any]) -> str:
    if not row["executions"]:
        return ""
    path = f"/api/executions/{row['executions'][-1]['id']}/output/download"
    return "".join(api.send("GET", path, query={"stream": stream}).text for stream in ("stdout", "stderr"))


async def _until(what: str, look: Callable[[], T | None], *, seconds: float = _STEP_SECONDS) -> T:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = await asyncio.to_thread(look)
        if found is not None:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise CliError(f"Waited {seconds:g} s, and it is still not so that {what}.")
        await asyncio.sleep(_LOOK_SECONDS)


def _invite(demo: _Demo) -> None:
    demo.screen.title("It stays up for you to look around")
    cli = "watchbill" if shutil.which("watchbill") else ".venv/bin/watchbill"
    demo.screen.step(f"Console     {demo.url}")
    demo.screen.step(f"Sign in     admin / {demo.password.reveal()}")
    demo.screen.step(f"CLI         {cli} login --server {demo.url}")
    demo.screen.step("Stop        Ctrl-C; nothing is left behind")
