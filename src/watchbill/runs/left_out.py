"""Components that will not run any more on a target that ended by something else than a result: rows that say so, with the reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetState, is_terminal
from watchbill.runs.moves import Moved

#: A run of which an end is more than that of its target. For statements that have its row as `r`.
HAS_STEPS: Final = (
    "(r.step_rules IS NOT NULL OR jsonb_array_length(r.components) > 1 OR r.components->0->>'role' = 'check')"
)

# Those that ended with nobody to tell what of them is left: in each session, or where there are none on the whole, everything that
# has not run in its last try, nor stands from before.
_LEAVE_REST = text(f"""
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, reason, start_by_at,
  dispatched_at, finished_at, received_at, session_id, session_user_name)
SELECT gen_random_uuid(), t.id, t.run_id, t.device_id, t.site_id, c.component, l.attempt, t.term, 'finished', 'skipped', w.reason,
  :now, :now, :now, :now, l.session_id, l.session_user_name
FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS w(id, reason)
JOIN run_targets t ON t.id = w.id AND t.attempt > 0
JOIN runs r ON r.id = t.run_id AND {HAS_STEPS}
CROSS JOIN LATERAL (SELECT DISTINCT ON (e.session_id) e.session_id, e.session_user_name, e.attempt, e.component
  FROM executions e WHERE e.run_id = t.run_id AND e.target_id = t.id ORDER BY e.session_id, e.attempt DESC, e.component) AS l
CROSS JOIN LATERAL generate_series(l.component, jsonb_array_length(r.components) - 1) AS c(component)
WHERE NOT EXISTS (SELECT FROM executions e WHERE e.run_id = t.run_id AND e.target_id = t.id AND e.component = c.component
  AND e.attempt = l.attempt AND e.session_id IS NOT DISTINCT FROM l.session_id)
ON CONFLICT DO NOTHING
""")


async def leave_rest_out(tx: AsyncConnection, ended: Sequence[Moved], now: datetime) -> None:
    """Make visible what will not run any more on targets that ended before their last component, by whatever but its result."""
    over = [one for one in ended if is_terminal(one.after)]
    if over:
        reasons = ["lost" if one.after is TargetState.LOST else one.reason or str(one.after) for one in over]
        await tx.execute(_LEAVE_REST, {"ids": [one.target_id for one in over], "reasons": reasons, "now": now})
