"""The database as commands find it: the configured one, the one that `watchbill up` runs, or the embedded one for a moment.

Also everything that has to be in place before a process of the Engine can work with it.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

from watchbill import agents, identity, queue
from watchbill.apps import keys, wiring
from watchbill.apps.commands import schema_mark
from watchbill.apps.commands.exits import CliError
from watchbill.kit import db, key_sources, postgres_host
from watchbill.kit.postgres import DataDirectoryInUseError, EmbeddedPostgres
from watchbill.kit.postgres_cluster import ROLE
from watchbill.kit.secrets import Secret, create_key_ring
from watchbill.kit.settings import Settings

ADMIN_PASSWORD = "WATCHBILL_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable


@contextmanager
def reachable(config: Settings, *, is_made: bool = False) -> Iterator[Settings]:
    """`config` with the URL of a running database; an embedded one that nobody runs is run for the block.

    `is_made`: also when there is no embedded database yet.
    """
    if config.database_url is not None:
        yield config
        return
    if not is_made and not (config.data_dir / "cluster").exists():
        hint = "`watchbill up` or `watchbill db upgrade` makes one; WATCHBILL_DATABASE_URL names another."
        raise CliError(f"There is no database in {config.data_dir} yet.", hint=hint)
    server = EmbeddedPostgres(config.data_dir)
    try:
        server.start()
    except DataDirectoryInUseError:
        yield replace(config, database_url=_running_url(config))
        return
    try:
        server.create_database(wiring.DATABASE)
        yield replace(config, database_url=server.url(wiring.DATABASE))
    finally:
        server.stop()


def _running_url(config: Settings) -> str:
    """Of the server that another process runs on this data directory."""
    folder = quote(str(postgres_host.socket_folder(config.data_dir.resolve(), None)), safe="")
    return f"postgresql+psycopg://{ROLE}@/{wiring.DATABASE}?host={folder}&port={postgres_host.PORT}"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """`admin_password` is the one that was made up for the first operator, `admin`, and is shown this once."""

    revision: str
    is_key_ring_new: bool
    admin_password: Secret | None


def upgrade(config: Settings) -> Upgraded:
    """Bring the schema up to date and make what is missing: keys, the first operator. Safe to repeat."""
    postgres_host.make_data_dir(config.data_dir)
    is_new = key_sources.is_file(config) and create_key_ring(config.key_ring_path)
    url = wiring.database_url(config)
    revision = db.migrate(url)
    queue.converge_schema(url)
    password = asyncio.run(_first_rows(config))
    schema_mark.put(url)
    return Upgraded(revision, is_new, password)


async def _first_rows(config: Settings) -> Secret | None:
    async with wiring.engine(config, "upgrade") as engine, engine.db.begin() as tx:
        now = await engine.clock.now(tx)
        await agents.ensure_signing_key(tx, engine.keys, now)
        await keys.reseal(tx, engine.keys)
        await keys.lock_out(tx, engine.keys, now)
        password = await identity.bootstrap_admin(tx, now, given_password=os.environ.get(ADMIN_PASSWORD) or None)
    return Secret(password) if password else None
