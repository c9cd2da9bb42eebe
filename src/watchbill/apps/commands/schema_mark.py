"""Whether a database already is what this program would make of it, asked without loading what could change it.

A start of the Engine that finds its own mark can go on at once: loading the migrations costs more than all the rest of it. The
mark lies in the database, so a restored one brings its own.
"""

import hashlib
from importlib import metadata, resources

import psycopg
from psycopg import sql

from watchbill.kit import key_sources
from watchbill.kit.settings import Settings

_READ = "SELECT obj_description(to_regclass('alembic_version'), 'pg_class')"


def _mark() -> str:
    """Names every file of the migrations with its content, and the library that has a schema of its own."""
    folder = resources.files("watchbill.migrations") / "versions"
    parts = sorted((one.name, one.read_bytes()) for one in folder.iterdir() if one.name.endswith(".py"))
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"prepared by watchbill {metadata.version('watchbill')}, pgqueuer {metadata.version('pgqueuer')}, {digest}"


def is_current(config: Settings, url: str) -> bool:
    """Whether `watchbill db upgrade` would change nothing."""
    if key_sources.is_file(config) and not config.key_ring_path.exists():
        return False
    with psycopg.connect(_conninfo(url), connect_timeout=10) as connection:
        found = connection.execute(_READ).fetchone()
        return found is not None and found[0] == _mark()


def put(url: str) -> None:
    """Leave the mark, when everything is in place."""
    with psycopg.connect(_conninfo(url), connect_timeout=10) as connection:
        connection.execute(sql.SQL("COMMENT ON TABLE alembic_version IS {}").format(sql.Literal(_mark())))


def _conninfo(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
