"""What every process of the Engine is built from: settings, database, clock, keys. The one place that puts them together."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from watchbill.kit import log, settings
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.key_sources import open_key_ring
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

#: Name of the Engine's database in the embedded server.
DATABASE = "watchbill"


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that a process hands to its services."""

    settings: Settings
    db: Database
    clock: Clock
    keys: KeyRing


def database_url(config: Settings) -> str:
    """The configured database, else that of the embedded server of this data directory."""
    return config.database_url or EmbeddedPostgres(config.data_dir).url(DATABASE)


@asynccontextmanager
async def engine(config: Settings, name: str) -> AsyncIterator[Engine]:
    """Open everything for one process, close it at the end."""
    limits = {"onboarding_addresses": config.onboarding_addresses}
    db = Database(
        database_url(config), pool_size=config.db_pool_size, application_name=f"watchbill-{name}", limits=limits
    )
    clock = Clock(timedelta(seconds=config.clock_offset_seconds))
    try:
        yield Engine(config, db, clock, open_key_ring(config))
    finally:
        await db.close()


def configured(name: str) -> Settings:
    """Read the settings of this process and set up its logs."""
    config = settings.load(os.environ)
    log.configure(level=config.log_level, style=config.log_format, process=name)
    return config
