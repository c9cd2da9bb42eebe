"""PostgreSQL: connections, transactions, NOTIFY and migrations. Knows no table of the product.

One request, one tick step or one settled item is one transaction, opened at the edge with `Database.begin`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources

import psycopg
from psycopg import sql
from sqlalchemy import Connection, MetaData, event, make_url, text
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from watchbill.kit import arrays, log

#: Every feature's tables; a test compares it with what the migrations make.
metadata = MetaData()

#: Connections that a process keeps open while it has nothing to do.
KEPT_CONNECTIONS = 2

#: The first key of every advisory lock of ours; the second says which.
LOCK_SPACE = 0x5742
MIGRATION_LOCK = 1
HUB_LOCK = 35

# Statements are many and short: neither compiling one nor starting workers for it pays, and the planner, which guesses high where
# a table has many partitions, would do both.
_OPTIONS = "-c timezone=UTC -c jit=off -c max_parallel_workers_per_gather=0"
# Of a host that lost its power or its network nobody says goodbye: without these the server would keep its transaction, and the rows
# it has locked, for hours. No transaction of ours rests for a minute.
_OPTIONS += " -c idle_in_transaction_session_timeout=60s"
_KEEPALIVES = " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_OPTIONS += _KEEPALIVES

_logger = log.get("db")


class SchemaTooNewError(Exception):
    """The database was migrated by a newer version of the program than this one."""


class Database:
    """A pool of connections to one PostgreSQL database.

    `url` is an SQLAlchemy URL with the driver `postgresql+psycopg`, or a plain `postgresql://` one.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        application_name: str = "watchbill",
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """`limits`: settings that rules ask for deep down, by `limit`; they go with each transaction."""
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            # Few are kept when idle, the rest only while they are needed: an idle backend costs memory on the server.
            pool_size=min(KEPT_CONNECTIONS, pool_size),
            max_overflow=max(pool_size - KEPT_CONNECTIONS, 0),
            pool_timeout=30,
            pool_pre_ping=False,
            pool_use_lifo=True,
            connect_args={"application_name": application_name, "options": _OPTIONS},
            execution_options={"limits": dict(limits or {})},
            # Errors are logged and kept with work that failed: values of rows do not belong there.
            hide_parameters=True,
        )
        event.listen(self.engine.sync_engine, "connect", _adapt)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        async with self.engine.begin() as tx:
            yield tx

    @property
    def conninfo(self) -> str:
        """The same database for libpq."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def close(self) -> None:
        await self.engine.dispose()


def limit(tx: AsyncConnection, name: str, default: int) -> int:
    """A limit that the process was set up with; the default where it was set up without."""
    limits: Mapping[str, int] = (
        tx.sync_connection.get_execution_options().get("limits", {}) if tx.sync_connection else {}
    )
    return limits.get(name, default)


def _adapt(connection: AdaptedConnection, _record: object) -> None:
    arrays.adapt(connection.driver_connection)


@dataclass(slots=True)
class Attempt:
    """A part of a transaction that may turn out not to be wanted."""

    is_taken_back: bool = False

    def take_back(self) -> None:
        """Undo at the end of the block all that it wrote; the transaction goes on."""
        self.is_taken_back = True


@asynccontextmanager
async def attempting(tx: AsyncConnection) -> AsyncIterator[Attempt]:
    """Writes whose outcome decides whether they stay."""
    async with tx.begin_nested() as savepoint:
        attempt = Attempt()
        yield attempt
        if attempt.is_taken_back:
            await savepoint.rollback()


async def notify(tx: AsyncConnection, channel: str, payload: str = "") -> None:
    """Wake whoever listens on `channel`, when this transaction commits."""
    await tx.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


async def notify_all(tx: AsyncConnection, channel: str, payloads: Sequence[str]) -> None:
    """The same for several payloads, in one statement."""
    statement = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS p(payload)")
    await tx.execute(statement, {"channel": channel, "payloads": list(payloads)})


Heard = Callable[[str], None]


@dataclass
class Listener:
    """A service that holds one connection and hands NOTIFYs to callbacks.

    After every (re)connect each callback is called once with "": what was sent meanwhile is lost, so look for yourself.
    """

    conninfo: str
    channels: dict[str, list[Heard]] = field(default_factory=dict)
    is_listening: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, channel: str, heard: Heard) -> None:
        """Call `heard(payload)` for each NOTIFY on `channel`. To be called before `run`."""
        self.channels.setdefault(channel, []).append(heard)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._listen(stop)
            except* psycopg.OperationalError as lost:
                self.is_listening.clear()
                _logger.warning("listener.lost", error=str(lost.exceptions[0]).strip())
                await _pause(stop, 0.5)

    async def _listen(self, stop: asyncio.Event) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, application_name="watchbill-listen"
        )
        async with connection:
            for channel in self.channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self.is_listening.set()
            for heard in [one for some in self.channels.values() for one in some]:
                heard("")
            await self._hear(connection, stop)

    async def _hear(self, connection: psycopg.AsyncConnection, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._pass_on(connection))
            stopping = group.create_task(stop.wait())
            await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
            hearing.cancel()
            stopping.cancel()

    async def _pass_on(self, connection: psycopg.AsyncConnection) -> None:
        async for note in connection.notifies():
            for heard in self.channels.get(note.channel, []):
                heard(note.payload)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


@dataclass
class SoleLock:
    """An advisory lock that one process at a time holds, as long as a connection of its own lives: who dies lets go of it."""

    conninfo: str
    lock: int
    _connection: psycopg.AsyncConnection | None = None

    async def take(self) -> bool:
        """Whether it is ours now; it does not wait for who has it."""
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self.conninfo, autocommit=True, application_name="watchbill-lock", options=_KEEPALIVES.strip()
            )
        row = await self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, self.lock))
        (is_ours,) = await row.fetchone() or (False,)
        return bool(is_ours)

    async def is_held(self) -> bool:
        """Whether the connection lives, after it was taken."""
        try:
            assert self._connection is not None
            await self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    async def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def migrate(url: str, *, lock_timeout_seconds: int = 60) -> str:
    """Bring the schema to this version's; returns the revision it stands at. One process at a time does it.

    Raises SchemaTooNewError when the database is ahead of the program.
    """
    engine = create_sync_engine(
        make_url(url).set(drivername="postgresql+psycopg"), connect_args={"application_name": "watchbill-migrate"}
    )
    try:
        with engine.connect() as connection:
            connection.execute(text(f"SET lock_timeout = '{lock_timeout_seconds}s'"))
            connection.execute(text("SELECT pg_advisory_lock(:a, :b)"), {"a": LOCK_SPACE, "b": MIGRATION_LOCK})
            connection.commit()
            return _upgrade(connection)
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> str:
    # Only whoever migrates pays for Alembic: it costs every other process 0.4 s and ten megabytes.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(resources.files("watchbill") / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head() or ""
    current = _current_revision(connection)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaTooNewError(f"the database is at revision {current}, which this version does not know")
    if current != head:
        # A migration that cannot get its table lock soon gives up and is tried again: it must not queue
        # behind a long query and so block every query behind itself.
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = '10min'"))
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        _logger.info("db.migrated", before=current, after=head)
    return head


def _current_revision(connection: Connection) -> str | None:
    there = connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one()
    if there is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
