"""The real `Database` with a gate before and after each statement and each commit, at which its process can die.

Who dies loses the connection without a word, as by kill -9: the server finds it closed and takes the transaction back.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import Executable, Select, TextClause, UpdateBase
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from watchbill.kit.db import Database


class Crash(BaseException):
    """The process is dead from here on."""


#: `await gate(where, connection, statement)`: returns when it is this step's turn; raises Crash when its process is to die.
Gate = Callable[[str, "GatedConnection", str, Any], Awaitable[None]]


class GatedConnection(AsyncConnection):
    """A connection whose statements wait for their turn."""

    __slots__ = ("gate", "pid")
    gate: Gate
    pid: int

    async def execute(self, statement: Executable, parameters: Any = None, **options: Any) -> Any:
        said = _told(statement)
        await self._pass("before", said, parameters)
        result = await super().execute(statement, parameters, **options)
        await self._pass("after", said, parameters)
        return result

    async def commit(self) -> None:
        await self._pass("before", "COMMIT", None)
        await super().commit()
        await self._pass("after", "COMMIT", None)

    async def _pass(self, where: str, statement: str, parameters: Any) -> None:
        try:
            await self.gate(where, self, statement, parameters)
        except Crash:
            await self.invalidate()
            raise

    async def start(self, is_ctxmanager: bool = False) -> "GatedConnection":
        await super().start(is_ctxmanager)
        driver: Any = (await self.get_raw_connection()).driver_connection
        self.pid = driver.info.backend_pid
        return self


def _told(statement: Executable) -> str:
    """A statement in a few words. Its whole text would cost as much as the statement."""
    match statement:
        case TextClause(text=said):
            return said
        case Select():
            return f"SELECT {', '.join(statement.selected_columns.keys()[:6])}"
        case UpdateBase():
            return f"{type(statement).__name__.upper()} {statement.table}"
        case _:
            return type(statement).__name__


class GatedEngine(AsyncEngine):
    """Hands out connections with the gate of one process."""

    __slots__ = ("gate",)
    gate: Gate

    def connect(self) -> GatedConnection:
        connection = GatedConnection(self)
        connection.gate = self.gate
        return connection


class GatedDatabase(Database):
    """As a process of the Engine has it."""

    def __init__(self, url: str, gate: Gate) -> None:
        super().__init__(url, pool_size=4, application_name="watchbill-simulated")
        self.engine = GatedEngine(self.engine.sync_engine)
        self.engine.gate = gate

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.connect() as tx:
            try:
                yield tx
            except BaseException:
                with suppress(DBAPIError):  # of a connection that was cut there is nothing to take back
                    await tx.rollback()
                raise
            await tx.commit()
