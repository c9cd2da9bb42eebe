"""Values of custom fields on devices: set by people, one device at a time, and by scripts, in batches with their results."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.custom_field_rules import UnfitValueError, Value, value_of_json
from watchbill.core.fields import shown
from watchbill.core.problems import Problem
from watchbill.devices import custom_fields, store
from watchbill.devices.custom_fields import CustomField
from watchbill.devices.store import CustomValue, Device
from watchbill.identity import Actor, audit
from watchbill.kit.errors import InvalidError

# A value that was set later stays: results may come long after their scripts ended. Answers with the devices that look different now.
_PUT = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:devices AS uuid[]), CAST(:fields AS bigint[]), CAST(:texts AS text[]), CAST(:numbers AS double precision[]),
    CAST(:booleans AS boolean[]), CAST(:dates AS date[]), CAST(:times AS timestamptz[]))
    AS g(device_id, field_id, text_value, number_value, boolean_value, date_value, set_at)
), fresh AS (
  SELECT g.*, (g.text_value, g.number_value, g.boolean_value, g.date_value)
    IS DISTINCT FROM (v.text_value, v.number_value, v.boolean_value, v.date_value) AS is_other
  FROM given g LEFT JOIN device_custom_values v ON v.device_id = g.device_id AND v.field_id = g.field_id
  WHERE v.device_id IS NULL OR v.set_at <= g.set_at
), put AS (
  INSERT INTO device_custom_values (device_id, field_id, text_value, number_value, boolean_value, date_value, set_by, set_at)
  SELECT device_id, field_id, text_value, number_value, boolean_value, date_value, :set_by, set_at FROM fresh
  ON CONFLICT (device_id, field_id) DO UPDATE SET text_value = excluded.text_value, number_value = excluded.number_value,
    boolean_value = excluded.boolean_value, date_value = excluded.date_value, set_by = excluded.set_by, set_at = excluded.set_at
)
SELECT DISTINCT device_id FROM fresh WHERE is_other
""")

_REMOVE = text("DELETE FROM device_custom_values WHERE device_id = :device AND field_id = ANY(:fields)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value for one device, as of an instant."""

    device_id: UUID
    field_id: int
    value: Value
    at: datetime


async def set_values(
    tx: AsyncConnection, actor: Actor, device: Device, given: Mapping[str, object], *, now: datetime
) -> None:
    """Set the values that are named, and take away those that are named as None. The others stay: scripts write beside people.

    The caller has locked the fields and the device.
    """
    fields = {one.name: one for one in await custom_fields.list_fields(tx, actor)}
    wanted = _read(given, fields)
    changed = {name: value for name, value in wanted.items() if value != _plain(device.custom_values.get(name))}
    if not changed:
        return
    gone = [fields[name].id for name, value in changed.items() if value is None]
    settings = [Setting(device.id, fields[name].id, value, now) for name, value in changed.items() if value is not None]
    if gone:
        await tx.execute(_REMOVE, {"device": device.id, "fields": gone})
    await _put(tx, settings, "operator")
    await store.grow_revisions(tx, [device.id], now)
    values = {name: [_told(device, name), value] for name, value in _json(changed)}
    detail = {"hostname": device.hostname, "values": values}
    await audit.record(
        tx, actor, "device.values_set", "device", device.id, now=now, site_id=device.site_id, detail=detail
    )


def _read(given: Mapping[str, object], fields: Mapping[str, CustomField]) -> dict[str, Value | None]:
    """Each value as its field wants it; every problem at once."""
    found: dict[str, Value | None] = {}
    problems = []
    for name, value in given.items():
        path = f"values.{shown(name)[1:-1]}"
        if name not in fields:
            problems.append(Problem(path, "unknown_field", "there is no custom field of this name"))
            continue
        try:
            found[name] = None if value is None else value_of_json(fields[name].type, value)
        except UnfitValueError as error:
            problems.append(Problem(path, "unfit_value", str(error)))
    if problems:
        raise InvalidError.of(problems, what="The device")
    return found


def _plain(value: CustomValue | None) -> object:
    """The value as `value_of_json` makes it."""
    if value is None:
        return None
    return value_of_json(value.type, value.value)


def _told(device: Device, name: str) -> object:
    value = device.custom_values.get(name)
    return value.value if value else None


def _json(values: Mapping[str, Value | None]) -> list[tuple[str, object]]:
    return [(name, value.isoformat() if isinstance(value, date) else value) for name, value in values.items()]


async def set_by_scripts(tx: AsyncConnection, settings: Sequence[Setting], now: datetime) -> None:
    """Store what scripts set. The caller holds the fields and the devices, in this order (`devices.reported`)."""
    last: dict[tuple[UUID, int], Setting] = {}
    for one in sorted(settings, key=lambda setting: setting.at):
        last[one.device_id, one.field_id] = one
    changed = await _put(tx, list(last.values()), "script")
    if changed:
        await store.grow_revisions(tx, changed, now)


async def _put(tx: AsyncConnection, settings: Sequence[Setting], set_by: str) -> Collection[UUID]:
    if not settings:
        return ()
    columns: dict[str, list[Any]] = {
        "devices": [one.device_id for one in settings],
        "fields": [one.field_id for one in settings],
        "times": [one.at for one in settings],
        **{name: [_as(kind, one.value) for one in settings] for name, kind in _COLUMNS.items()},
    }
    return (await tx.execute(_PUT, {**columns, "set_by": set_by})).scalars().all()


_COLUMNS = {"texts": str, "numbers": float, "booleans": bool, "dates": date}


def _as(kind: type, value: Value) -> Value | None:
    """The value for the column of its own type, None for the others."""
    return value if type(value) is kind else None
