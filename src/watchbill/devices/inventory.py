"""What devices tell about themselves. It comes from the network: every shape is checked, nothing unfit is stored.

`normalised` is pure; `record` writes a batch in one statement.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.zones import find_zone
from watchbill.devices import store

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
_DIGEST = re.compile(r"[\x21-\x7e]{1,128}")
_INTERPRETER = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HOSTNAME = re.compile(r"\w[\w.-]{0,252}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FAMILIES = {"linux", "windows", "macos"}
_MOST_INTERPRETERS = 32

# coalesce: what this report leaves out keeps its value; a zone that is not told any more is not known any more. Rows are locked by the caller, in order.
_RECORD = text("""
UPDATE devices d SET
  hostname = coalesce(r.hostname, d.hostname), os_family = coalesce(r.os_family, d.os_family),
  os_name = coalesce(r.os_name, d.os_name), os_version = coalesce(r.os_version, d.os_version),
  arch = coalesce(r.arch, d.arch), agent_version = coalesce(r.agent_version, d.agent_version),
  interpreters = coalesce(r.interpreters, d.interpreters),
  timezone = r.timezone, inventory = r.inventory, inventory_digest = r.digest, inventory_at = :now, updated_at = :now
FROM jsonb_to_recordset(:rows) AS r(device_id uuid, digest text, hostname text, os_family text, os_name text, os_version text,
  arch text, agent_version text, interpreters text[], timezone text, inventory jsonb)
WHERE d.id = r.device_id
""").bindparams(bindparam("rows", type_=JSONB))


class BadInventoryError(ValueError):
    """The report cannot be stored at all; says why."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A report with what SQL needs of it drawn out. None = not told, or not in a usable form."""

    digest: str
    inventory: Mapping[str, Any]
    hostname: str | None
    os_family: str | None
    os_name: str | None
    os_version: str | None
    arch: str | None
    agent_version: str | None
    interpreters: tuple[str, ...] | None
    timezone: str | None


def normalised(digest: object, inventory: object) -> Normalised:
    """Check one report and draw out the columns; BadInventoryError when it cannot be stored."""
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise BadInventoryError("the digest must be 1 to 128 visible ASCII characters")
    if not isinstance(inventory, dict):
        raise BadInventoryError("the inventory must be an object")
    _check_size(inventory)
    clean = _cleaned(inventory, MAX_DEPTH)
    system = clean.get("os")
    facts = system if isinstance(system, dict) else {}
    family = facts.get("family")
    return Normalised(
        digest=digest,
        inventory=clean,
        hostname=_hostname(clean.get("hostname")),
        os_family=family if isinstance(family, str) and family in _FAMILIES else None,
        os_name=_short(facts.get("name")),
        os_version=_short(facts.get("version")),
        arch=_short(clean.get("arch")),
        agent_version=_short(clean.get("agent_version")),
        interpreters=_interpreters(clean.get("interpreters")),
        timezone=_timezone(clean.get("timezone")),
    )


def _check_size(inventory: dict[Any, Any]) -> None:
    try:
        size = len(json.dumps(inventory, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise BadInventoryError("the inventory must be plain JSON") from None
    if size > MAX_BYTES:
        raise BadInventoryError(f"the inventory has {size} bytes; at most {MAX_BYTES} are kept")


def _cleaned(value: Any, depth: int) -> Any:
    """The same value without what the database cannot hold."""
    if depth == 0:
        raise BadInventoryError(f"the inventory is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", str(name)): _cleaned(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner, depth - 1) for inner in value]
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _short(value: object) -> str | None:
    return value.strip()[:200] if isinstance(value, str) and value.strip() else None


def _hostname(value: object) -> str | None:
    return value if isinstance(value, str) and _HOSTNAME.fullmatch(value) else None


def _timezone(value: object) -> str | None:
    """A zone of the pinned rules; with another name nobody could say when it is 03:00 there."""
    return value if isinstance(value, str) and find_zone(value) else None


def _interpreters(value: object) -> tuple[str, ...] | None:
    """Names of those that are there: from `{"bash": {"path": …}, "powershell": null}`, or a plain list of names."""
    if isinstance(value, dict):
        names = [name for name, found in value.items() if found]
    elif isinstance(value, list):
        names = [name for name in value if isinstance(name, str)]
    else:
        return None
    fit = sorted({name for name in names if _INTERPRETER.fullmatch(name)})
    return tuple(fit[:_MOST_INTERPRETERS])


async def record(
    tx: AsyncConnection, rows: Sequence[tuple[UUID, str, Mapping[str, Any]]], now: datetime
) -> dict[UUID, str]:
    """Store (device, digest, inventory) reports; returns the devices whose report was refused, each with the reason."""
    good: dict[UUID, Normalised] = {}
    refused: dict[UUID, str] = {}
    for device_id, digest, inventory in rows:
        try:
            good[device_id] = normalised(digest, inventory)
        except BadInventoryError as error:
            refused[device_id] = str(error)
    if good:
        await store.lock(tx, list(good))
        await tx.execute(_RECORD, {"now": now, "rows": [_row(device_id, one) for device_id, one in good.items()]})
    return refused


def _row(device_id: UUID, one: Normalised) -> dict[str, Any]:
    names = Normalised.__dataclass_fields__
    return {"device_id": str(device_id), **{name: getattr(one, name) for name in names}}
