"""Devices that cannot be given what a script needs: found before anything is handed out, in one statement for a whole site.

What is missing is a value of a required variable, or a key that a secret could be sealed to. The hand-out looks again: values
may have gone while a device was away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.states import SkipReason, TargetEvent
from watchbill.core.variable_rules import carries_secrets, lacking, required
from watchbill.runs.moves import Move, move
from watchbill.variables import LACKS, LACKS_KEY, LACKS_NAME

NO_KEY: Final = "Its agent has told no key that secrets can be sealed to: update the agent."
_BATCH: Final = 2000

_UNREADY = text(f"""
SELECT t.id, {LACKS_KEY} AS lacks_key,
  ARRAY(SELECT n.name FROM unnest(CAST(:needed AS text[])) AS n(name) WHERE {LACKS_NAME} ORDER BY 1) AS lacking
FROM run_targets t JOIN devices d ON d.id = t.device_id
WHERE t.run_id = :run_id AND t.site_id = :site_id AND t.state = 'pending' AND t.released_at IS NULL AND ({LACKS_KEY} OR {LACKS})
ORDER BY t.id LIMIT :limit
""")
_COMPONENTS = text("SELECT components FROM runs WHERE id = :run_id")


@dataclass(frozen=True, slots=True)
class Needs:
    """What the components of a job need of every device: values of these variables, and a key when there are secrets."""

    names: tuple[str, ...] = ()
    key: bool = False

    @property
    def is_nothing(self) -> bool:
        return not self.names and not self.key

    def values(self) -> dict[str, object]:
        """The parameters of the statements of `variables`."""
        return {"needed": list(self.names), "needs_key": self.key}


def needs_of(parts: Iterable[tuple[AssemblyDraft, Mapping[str, object]]]) -> Needs:
    """Of components: what each assembly declares, and what the job gives."""
    names: set[str] = set()
    key = False
    for declared, given in parts:
        names.update(required(declared, given))
        # A playbook's secrets stay in the Engine.
        key = key or (not declared.is_playbook and carries_secrets(declared, given))
    return Needs(tuple(sorted(names)), key)


async def refuse_unready(tx: AsyncConnection, run_id: int, site_id: int, now: datetime) -> int:
    """Skip the next targets of one run and site that nothing can be handed to, each with what is missing; returns how many."""
    needs = await _needs_of_run(tx, run_id)
    if needs.is_nothing:
        return 0
    which = {**needs.values(), "run_id": run_id, "site_id": site_id, "limit": _BATCH}
    rows = (await tx.execute(_UNREADY, which)).all()
    await move(tx, [_skip(row.id, row.lacking, lacks_key=row.lacks_key) for row in rows], now)
    return len(rows)


def _skip(target_id: int, names: Sequence[str], *, lacks_key: bool) -> Move:
    said = [*([lacking(names)] if names else []), *([NO_KEY] if lacks_key else [])]
    return Move(target_id, TargetEvent.SKIP, reason=SkipReason.PREFLIGHT_FAILED, detail=" ".join(said))


async def _needs_of_run(tx: AsyncConnection, run_id: int) -> Needs:
    parts: Sequence[Mapping[str, Any]] = (await tx.execute(_COMPONENTS, {"run_id": run_id})).scalar_one_or_none() or ()
    wanted = {(UUID(part["assembly_id"]), part["revision"]) for part in parts}
    known = await assemblies.load_revisions(tx, sorted(wanted)) if wanted else {}
    return needs_of((known[UUID(part["assembly_id"]), part["revision"]].draft, part["variables"]) for part in parts)
