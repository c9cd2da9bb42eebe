"""`watchbill up`: the Engine on one machine. Starts its processes in order, keeps them running, stops them in reverse order.

Imports as little as it can: it lives as long as the Engine and does nothing but watch. What needs the Engine's own code is done
by children.
"""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from watchbill.apps.commands import schema_mark
from watchbill.apps.commands.exits import CliError
from watchbill.apps.supervisor import Child, ChildEvent, Event, Supervisor, postgres_child
from watchbill.kit import postgres_host
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.postgres_host import DataDirectoryLock
from watchbill.kit.processes import tied_to_parent, without_network_rights
from watchbill.kit.settings import Listen, Settings

DATABASE = "watchbill"
ADMIN_PASSWORD = "WATCHBILL_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
#: After a kill -9 of everything, the processes of before may need this long to let go of their ports.
_PORT_SECONDS = 15.0
_READY_SECONDS = 60.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
#: What is not worth a line when all goes well, or while stopping.
_QUIET = {Event.STARTED, Event.READY}


@dataclass
class Reporter:
    """Passes on what children say, each line with the child's name before it, and tells what happens to them."""

    is_stopping: bool = False

    def line(self, name: str, text: str) -> None:
        sys.stderr.write(f"{name:<9} | {text}\n")

    def event(self, event: ChildEvent) -> None:
        if event.event in _QUIET or (self.is_stopping and event.event is Event.EXITED):
            return
        status = "" if event.returncode is None else f" with status {event.returncode}"
        self.line("up", f"{event.name}: {event.event.removeprefix('child.')}{status} {event.detail}".rstrip())


@dataclass
class Running:
    """An Engine that runs. `admin_password` was made up at its first start, and is known only now."""

    config: Settings
    supervisor: Supervisor
    environment: Mapping[str, str]
    admin_password: str | None = field(repr=False)

    async def run_agent(self, site: str) -> None:
        argv = command("local-agent", "--agent-site", site)
        await self.supervisor.start(Child(name="agent", argv=argv, env=self.environment))


async def main(config: Settings, *, agent_site: str | None) -> None:
    """Run until Ctrl-C or SIGTERM."""
    reporter = Reporter()
    begun = asyncio.get_running_loop().time()
    with ends_on_signal(reporter):
        async with running(config, reporter) as engine:
            _greet(engine, asyncio.get_running_loop().time() - begun)
            if agent_site is not None:
                await engine.run_agent(agent_site)
            await asyncio.Event().wait()
    sys.stdout.write("Stopped.\n")


@contextmanager
def ends_on_signal(reporter: Reporter) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the block in order and without an error; a second one cuts the order short."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    told = 0

    def tell() -> None:
        nonlocal told
        told += 1
        reporter.is_stopping = True
        if told == 1:
            sys.stderr.write("Stopping …\n")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        for _ in range(told):
            task.uncancel()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(config: Settings, reporter: Reporter) -> AsyncIterator[Running]:
    """The Engine, ready, for the block; nothing of it is left afterwards."""
    with _held(config) as server:
        async with Supervisor(on_line=reporter.line, on_event=reporter.event) as supervisor:
            try:
                yield await _start(config, server, supervisor, reporter)
            finally:
                reporter.is_stopping = True


async def _start(
    config: Settings, server: EmbeddedPostgres | None, supervisor: Supervisor, reporter: Reporter
) -> Running:
    url = config.database_url or await _database(server, supervisor)
    environment = _environment(config, url)
    admin_password = None if schema_mark.is_current(config, url) else await _upgrade(environment, reporter)
    _make_certificate(config)
    await _free_ports(config)
    # Together: they need nothing of each other to start, and are ready when the slowest is.
    await asyncio.gather(*(supervisor.start(child) for child in _children(config, environment)))
    return Running(config, supervisor, environment, admin_password)


@contextmanager
def _held(config: Settings) -> Iterator[EmbeddedPostgres | None]:
    """The data directory for us alone; with the embedded server prepared in it unless another database is configured."""
    if config.database_url is None:
        server = EmbeddedPostgres(config.data_dir)
        server.prepare()
        try:
            yield server
        finally:
            server.release()
        return
    postgres_host.make_data_dir(config.data_dir)
    lock = DataDirectoryLock(config.data_dir)
    lock.acquire()
    try:
        yield None
    finally:
        lock.release()


async def _database(server: EmbeddedPostgres | None, supervisor: Supervisor) -> str:
    assert server is not None
    await supervisor.start(postgres_child(server))
    server.create_database(DATABASE)
    return server.url(DATABASE)


def _environment(config: Settings, url: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name != ADMIN_PASSWORD}
    found = {"WATCHBILL_DATA_DIR": str(config.data_dir), "WATCHBILL_DATABASE_URL": url}
    # glibc keeps a pool of memory for every thread otherwise, which none of these processes gains from.
    return {"MALLOC_ARENA_MAX": "2", **own, **found}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "watchbill.apps.cli", *words]


async def _upgrade(environment: Mapping[str, str], reporter: Reporter) -> str | None:
    """Migrations and first start, in a process that ends again; returns the password that was made up for the admin."""
    given = {ADMIN_PASSWORD: os.environ[ADMIN_PASSWORD]} if ADMIN_PASSWORD in os.environ else {}
    process = await asyncio.create_subprocess_exec(
        *tied_to_parent(command("db", "upgrade", "--json"), signal.SIGTERM),
        env={**environment, **given},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        answer, messages = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = messages.decode(errors="replace").splitlines()
    if process.returncode:
        raise CliError("The database cannot be brought up to date.", problems=lines[-15:])
    for line in lines:
        reporter.line("db", line)
    password: str | None = json.loads(answer)["admin_password"]
    return password


def _make_certificate(config: Settings) -> None:
    """Once, before the two processes that serve it look for it at the same moment."""
    if config.is_tls:
        from watchbill.apps import tls

        tls.ensure(config)


# --- the children ------------------------------------------------------------------------------------------------------


def _children(config: Settings, environment: Mapping[str, str]) -> list[Child]:
    def child(name: str, ready: Callable[[], Awaitable[bool]] | None = None) -> Child:
        argv = without_network_rights(command(name))
        return Child(name=name, argv=argv, env=environment, ready=ready, ready_timeout_seconds=_READY_SECONDS)

    children = [
        child("api", lambda: answers(config.api_listen, "/readyz", is_tls=config.is_tls)),
        child("gateway", lambda: answers(config.gateway_listen, "/healthz", is_tls=config.is_tls)),
        child("scheduler"),
    ]
    # The only one that may change the network. What it lacks it says where tunnels are shown: nothing else waits for it.
    hub = [Child(name="vpn", argv=command("vpn"), env=environment)] if config.vpn == "on" else []
    return children + hub


async def answers(listen: Listen, path: str, *, is_tls: bool) -> bool:
    """Whether a server of ours says 200 there. Only asks: its certificate is not looked at."""
    context = None
    if is_tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    host = _ANY.get(listen.host, listen.host)
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, listen.port, ssl=context)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _free_ports(config: Settings) -> None:
    for listen, variable in ((config.api_listen, "API_LISTEN"), (config.gateway_listen, "GATEWAY_LISTEN")):
        deadline = asyncio.get_running_loop().time() + _PORT_SECONDS
        while (fault := _fault_of(listen)) is not None:
            if asyncio.get_running_loop().time() > deadline:
                hint = f"WATCHBILL_{variable} chooses another address."
                raise CliError(f"The Engine cannot listen on {listen}: {fault}.", hint=hint)
            await asyncio.sleep(0.2)


def _fault_of(listen: Listen) -> str | None:
    """Why nobody can listen there now; None when it is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


# --- what people are told ----------------------------------------------------------------------------------------------


def base_url(config: Settings) -> str:
    """Where this machine finds the API."""
    if config.public_url:
        return config.public_url
    listen = Listen(_ANY.get(config.api_listen.host, config.api_listen.host), config.api_listen.port)
    return f"{'https' if config.is_tls else 'http'}://{listen}"


def _greet(engine: Running, seconds: float) -> None:
    config = engine.config
    facts = {"Web console": base_url(config), "Gateway": str(config.gateway_listen), "Data": str(config.data_dir)}
    if config.is_tls:
        from watchbill.apps import tls

        certificate = tls.ensure(config)
        facts["Pin"] = certificate.pin if certificate else ""
    if engine.admin_password:
        facts["Sign in"] = (
            f"admin / {engine.admin_password}   (shown this once; you choose your own at the first login)"
        )
    lines = "".join(f"  {name + ':':<13}{value}\n" for name, value in facts.items())
    sys.stdout.write(f"\nWatchbill is ready, after {seconds:.1f} s.\n\n{lines}\nCtrl-C stops it.\n\n")
    sys.stdout.flush()
