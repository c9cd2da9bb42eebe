"""Device sets of runs: frozen at the start, put together, split by what became of devices, and kept for every port. Its SQL, and its algebra.

A set is a list of device ids in the order of their names. None holds a device outside of the site scope of its run.
"""

import hashlib
import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.workflow_types import Node, NodeType
from watchbill.jobs.aiming import SPEC

DeviceSet = list[uuid.UUID]

# What nodes of this step name, each for itself, in the scope of its run.
_FREEZE: Final = text(f"""
WITH aimed AS (
  SELECT g.aim_id, g.kind, g.position, false AS is_exclusion, g.device_id, g.filter_id, g.site_id
  FROM unnest(CAST(:aims AS uuid[]), CAST(:kinds AS text[]), CAST(:positions AS integer[]), CAST(:devices AS uuid[]),
    CAST(:filters AS bigint[]), CAST(:sites AS bigint[])) AS g(aim_id, kind, position, device_id, filter_id, site_id)
), {SPEC}
SELECT g.aim_id,
  (SELECT b.why FROM broken b WHERE b.aim_id = g.aim_id) AS why,
  ARRAY(SELECT d.id FROM (SELECT DISTINCT c.device_id FROM spec c WHERE c.aim_id = g.aim_id) c JOIN devices d ON d.id = c.device_id
    WHERE d.status <> 'revoked' AND (CAST(:scope AS bigint[]) IS NULL OR d.site_id = ANY(:scope))
      AND (CAST(:only AS uuid) IS NULL OR d.id = :only)
    ORDER BY lower(d.hostname), d.id) AS devices
FROM (SELECT DISTINCT aim_id FROM aimed) g
""")
_KEEP = text("""
INSERT INTO workflow_sets (run_id, node_id, port, devices) VALUES (:run, :node, :port, CAST(:devices AS uuid[]))
ON CONFLICT (run_id, node_id, port) DO UPDATE SET devices = excluded.devices
""")
_READ = text("SELECT node_id, port, devices FROM workflow_sets WHERE run_id = :run AND node_id = ANY(:nodes)")
_COPY = text("""
INSERT INTO workflow_sets (run_id, node_id, port, devices)
SELECT :run, s.node_id, s.port, s.devices FROM workflow_sets s WHERE s.run_id = :origin AND s.node_id = ANY(:nodes)
""")
# The newest word about each device, of all tries of a node.
_BY_END: Final = text("""
SELECT DISTINCT ON (t.device_id) t.device_id, t.state, t.reason, lower(t.hostname) AS hostname,
  coalesce((SELECT (e.recap->>'changed')::integer FROM executions e WHERE e.run_id = t.run_id AND e.target_id = t.id
    ORDER BY e.attempt DESC LIMIT 1), 0) > 0 AS has_changed
FROM unnest(CAST(:occurrences AS uuid[])) WITH ORDINALITY AS o(id, place) JOIN run_targets t ON t.occurrence_id = o.id
ORDER BY t.device_id, o.place DESC
""")
_ONLINE = text("""
SELECT count(*) FROM unnest(CAST(:devices AS uuid[])) AS d(id) JOIN device_presence p ON p.device_id = d.id AND p.gateway_id IS NOT NULL
""")
_SIZES = text("""
SELECT node_id, port, cardinality(devices) AS number FROM workflow_sets WHERE run_id = :run AND port NOT LIKE 'awaited:%'
""")


class UnknownDevicesError(Exception):
    """A rule that cannot be told: a filter that is gone, archived or cannot be asked. Never everything, never nothing."""


async def freeze(
    tx: AsyncConnection,
    nodes: Sequence[Node],
    scope: Sequence[int] | None,
    only: uuid.UUID | None,
    now: datetime,
) -> dict[str, DeviceSet]:
    """The devices that each of these nodes names, by their ids. Raises UnknownDevicesError."""
    aims = {uuid.uuid4(): node for node in nodes}
    rows = [row for aim, node in aims.items() for row in _aimed(aim, node)]
    columns = dict(
        zip(("aims", "kinds", "positions", "devices", "filters", "sites"), zip(*rows, strict=True), strict=True)
    )
    if not rows:
        return {node.id: [] for node in nodes}
    values = {name: list(column) for name, column in columns.items()}
    found: dict[str, DeviceSet] = {node.id: [] for node in nodes}
    asked = {**values, "scope": None if scope is None else list(scope), "only": only, "now": now}
    for row in await tx.execute(_FREEZE, asked):
        node = aims[row.aim_id]
        if row.why is not None:
            raise UnknownDevicesError(f"It cannot be told which devices “{node.name}” finds: the filter {row.why}.")
        found[node.id] = list(row.devices)
    return found


def _aimed(aim: uuid.UUID, node: Node) -> list[tuple[Any, ...]]:
    match node.type:
        case NodeType.DEVICES_FILTER:
            return [(aim, "filter", 0, None, node.settings["filter_id"], None)]
        case NodeType.DEVICES_SITE:
            return [(aim, "site", 0, None, None, node.settings["site_id"])]
        case _:
            ids = node.settings.get("device_ids", ())
            return [(aim, "device", at, uuid.UUID(str(one)), None, None) for at, one in enumerate(ids)]


def combine(operation: str, first: DeviceSet, second: DeviceSet) -> DeviceSet:
    """The order is that of the first, then of the second."""
    other = set(second)
    match operation:
        case "intersection":
            return [one for one in first if one in other]
        case "difference":
            return [one for one in first if one not in other]
        case _:
            known = set(first)
            return [*first, *(one for one in second if one not in known)]


def divide(settings: Mapping[str, Any], devices: DeviceSet, salt: str) -> tuple[DeviceSet, DeviceSet]:
    """Some of the devices, and the rest. At random is by a hash, so that it is the same again for the same run."""
    ordered = devices
    if settings.get("order") == "random":
        ordered = sorted(devices, key=lambda one: hashlib.sha256(f"{salt}|{one}".encode()).digest())
    number = settings.get("number")
    if number is None:
        number = math.ceil(len(devices) * settings["percent"] / 100)
    chosen = set(ordered[:number])
    return [one for one in devices if one in chosen], [one for one in devices if one not in chosen]


_SPLIT: Final[Mapping[str, str]] = {
    "success": "succeeded",
    "warning": "warning",
    "failed": "failed",
    "timed_out": "failed",
    "lost": "failed",
    "cancelled": "failed",
}


async def split(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> dict[str, DeviceSet]:
    """Devices by what became of them in the work of a node."""
    found: dict[str, DeviceSet] = {port: [] for port in ("succeeded", "warning", "failed", "offline", "changed")}
    rows = (await tx.execute(_BY_END, {"occurrences": list(occurrence_ids)})).all() if occurrence_ids else ()
    for row in sorted(rows, key=lambda row: (row.hostname, row.device_id)):
        is_offline = (row.state, row.reason) in {("expired", "offline"), ("skipped", "offline_skip")}
        port = "offline" if is_offline else _SPLIT.get(row.state)
        if port is not None:
            found[port].append(row.device_id)
        if row.has_changed:
            found["changed"].append(row.device_id)
    return found


async def unfinished(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> DeviceSet:
    """The devices on which the last try of a node did not end well: those that another try is for."""
    rows = (await tx.execute(_BY_END, {"occurrences": list(occurrence_ids[-1:])})).all()
    left = [row for row in rows if row.state not in ("success", "warning", "skipped")]
    return [row.device_id for row in sorted(left, key=lambda row: (row.hostname, row.device_id))]


async def counts(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> dict[str, int]:
    """Devices by state, each by the newest word about it."""
    rows = await tx.execute(_BY_END, {"occurrences": list(occurrence_ids)})
    return dict(Counter(row.state for row in rows))


def result_of(state: str, counts: Mapping[str, int], offline: int) -> dict[str, Any]:
    """What expressions see of work on devices."""
    failed = sum(counts.get(name, 0) for name in ("failed", "timed_out", "lost", "cancelled"))
    return {
        "state": state,
        "total": sum(counts.values()),
        "counts": dict(counts),
        "succeeded": counts.get("success", 0),
        "warning": counts.get("warning", 0),
        "failed": failed,
        "offline": offline,
        "skipped": counts.get("skipped", 0),
    }


async def keep(tx: AsyncConnection, run_id: int, node_id: str, ports: Mapping[str, DeviceSet]) -> None:
    for port, devices in ports.items():
        await tx.execute(_KEEP, {"run": run_id, "node": node_id, "port": port, "devices": devices})


async def read(tx: AsyncConnection, run_id: int, places: Sequence[tuple[str, str]]) -> list[DeviceSet]:
    """The sets of (node, port), empty where the node gave none."""
    rows = await tx.execute(_READ, {"run": run_id, "nodes": [node for node, _ in places]})
    found = {(row.node_id, row.port): list(row.devices) for row in rows}
    return [found.get(place, []) for place in places]


async def copy(tx: AsyncConnection, origin_run_id: int, run_id: int, node_ids: Sequence[str]) -> None:
    """Bring the sets of nodes over to the run that goes on with an earlier one."""
    await tx.execute(_COPY, {"origin": origin_run_id, "run": run_id, "nodes": list(node_ids)})


async def online(tx: AsyncConnection, devices: DeviceSet) -> int:
    return int((await tx.execute(_ONLINE, {"devices": devices})).scalar_one())


async def sizes(tx: AsyncConnection, run_id: int) -> dict[str, dict[str, int]]:
    """How many devices are in each set, by node and port."""
    found: dict[str, dict[str, int]] = {}
    for row in await tx.execute(_SIZES, {"run": run_id}):
        found.setdefault(row.node_id, {})[row.port] = row.number
    return found
