"""PgQueuer's own tables, brought to what its installed version wants. Runs beside the migrations, under its own lock."""

import asyncio

import psycopg
from sqlalchemy import make_url

#: Keeps two processes that start together from installing twice.
_LOCK = "SELECT pg_advisory_lock(22338, 2)"


def converge_schema(url: str) -> None:
    """Install or upgrade PgQueuer's tables in the database at `url`; nothing when they are as they should be."""
    asyncio.run(_converge(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)))


async def _converge(conninfo: str) -> None:
    from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
    from pgqueuer.adapters.persistence.queries import Queries

    connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
    async with connection:
        await connection.execute(_LOCK)
        queries = Queries(PsycopgDriver(connection))
        if await queries.schema_is_installed():
            await queries.apply_upgrade()
        else:
            await queries.install()
