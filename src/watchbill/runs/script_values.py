"""Custom values that scripts set by their output: read from what is stored of an execution's standard output when it ends well.

Reads only; what the lines mean is decided in `core.custom_field_rules`, and `devices` stores it, both in the transaction that
records the result.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.custom_field_rules import MARK, ScriptField, Told, told_by_script
from watchbill.devices import custom_fields

#: Output looked through by one statement; more is looked through in turns.
_MOST_BYTES: Final = 16 * 1024 * 1024
#: Lines of one execution that are looked at, and characters of a line: some more than can count.
_MOST_LINES: Final = 200
_MOST_CHARACTERS: Final = 5000

# The pieces of an output in a row; what two of them have in common counts once. Where bytes were not kept, in the middle or at the end,
# a control character stands for them: half a line must not look like a whole one. `escape` makes text of any bytes.
_LINES: Final = text("""
WITH pieces AS (
  SELECT c.execution_id, c.at_offset, c.data, coalesce(max(c.at_offset + length(c.data)) OVER (
      PARTITION BY c.execution_id ORDER BY c.at_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS reached
  FROM unnest(CAST(:runs AS bigint[]), CAST(:executions AS uuid[])) AS g(run_id, execution_id)
  JOIN output_chunks c ON c.run_id = g.run_id AND c.execution_id = g.execution_id AND c.stream = 1
), whole AS (
  SELECT execution_id, max(at_offset + length(data)) AS ends, string_agg(CASE WHEN at_offset > reached THEN '\\x01'::bytea || data
      ELSE substring(data FROM CAST(reached - at_offset AS integer) + 1) END, ''::bytea ORDER BY at_offset) AS data
  FROM pieces GROUP BY execution_id
), marked AS (
  SELECT w.execution_id, CASE WHEN w.ends < g.total THEN w.data || '\\x01'::bytea ELSE w.data END AS data
  FROM whole w JOIN unnest(CAST(:executions AS uuid[]), CAST(:totals AS bigint[])) AS g(execution_id, total)
    ON g.execution_id = w.execution_id
  WHERE position(convert_to(CAST(:mark AS text), 'UTF8') IN w.data) > 0
)
SELECT m.execution_id, left(l.line[1], :characters) AS line
FROM marked m, LATERAL (
  SELECT r.line FROM regexp_matches(encode(m.data, 'escape'), '^' || CAST(:mark AS text) || '[^\\n]*', 'gn') AS r(line) LIMIT :lines
) l
""")

_ESCAPED: Final = re.compile(rb"\\(\\|[0-7]{3})")


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution that ended well. `total` bytes came out of it, of which `stored`, with the other stream's, were kept."""

    run_id: int
    execution_id: uuid.UUID
    total: int
    stored: int


async def told(tx: AsyncConnection, ended: Sequence[Ended]) -> dict[uuid.UUID, Told]:
    """What these executions set; only those that said something are in the answer."""
    speaking = [one for one in ended if one.total > 0]
    fields = await custom_fields.settable(tx) if speaking else {}
    if not fields:
        return {}
    found: dict[uuid.UUID, Told] = {}
    for share in _shares(speaking):
        found |= await _told(tx, share, fields)
    return found


def _shares(ended: Sequence[Ended]) -> Iterator[list[Ended]]:
    share: list[Ended] = []
    size = 0
    for one in ended:
        if share and size + one.stored > _MOST_BYTES:
            yield share
            share, size = [], 0
        share.append(one)
        size += one.stored
    if share:
        yield share


async def _told(
    tx: AsyncConnection, ended: Sequence[Ended], fields: Mapping[str, ScriptField]
) -> dict[uuid.UUID, Told]:
    columns = {
        "runs": [one.run_id for one in ended],
        "executions": [one.execution_id for one in ended],
        "totals": [one.total for one in ended],
    }
    bounds = {"mark": MARK, "lines": _MOST_LINES, "characters": _MOST_CHARACTERS}
    lines: dict[uuid.UUID, list[str]] = {}
    for execution_id, line in await tx.execute(_LINES, {**columns, **bounds}):
        lines.setdefault(execution_id, []).append(_plain(line))
    return {execution_id: told_by_script(some, fields) for execution_id, some in lines.items()}


def _plain(escaped: str) -> str:
    """The line as the script wrote it, without the carriage return that some end theirs with."""
    raw = _ESCAPED.sub(lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1], 8)]), escaped.encode())
    return raw.decode(errors="replace").removesuffix("\r")
