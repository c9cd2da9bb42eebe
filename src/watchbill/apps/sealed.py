"""What is sealed in the database, and under which key: one statement for everything that is kept so. Only reads."""

from collections import defaultdict
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit.db import LOCK_SPACE

_ROTATION_LOCK = 31
_LOCK = text("SELECT pg_advisory_xact_lock(:space, :lock)")
# Past revisions of jobs, and runs that have ended, are opened by nobody: what they hold is not counted.
COUNT: Final = text(r"""
WITH sealed (what, envelope) AS (
  SELECT 'signing keys', private_key_sealed FROM engine_keys
  UNION ALL SELECT 'enrolment codes', enrolment_code_sealed FROM sites
  UNION ALL SELECT 'values of variables', sealed FROM variable_values
  UNION ALL SELECT 'notification channels', sealed FROM notification_channels
  UNION ALL SELECT 'credentials', one.value FROM credentials, jsonb_each_text(sealed) AS one
  UNION ALL SELECT 'keys of service accounts', one.value FROM service_account_keys, unnest(ARRAY[ssh_private_sealed, password_private_sealed]) AS one(value)
  UNION ALL SELECT 'passwords of service accounts', password_sealed FROM service_accounts
  UNION ALL SELECT 'key of the VPN', private_key_sealed FROM vpn_hub
  UNION ALL SELECT 'secrets of webhooks', one.value FROM webhooks, unnest(ARRAY[secret_sealed, previous_sealed]) AS one(value)
  UNION ALL SELECT 'replies kept for a day', reply_sealed FROM idempotency_keys
  UNION ALL SELECT 'jobs', found[1] FROM jobs, regexp_matches((definition->'components')::text, '"sealed": "(wb1\.[^"]+)"', 'g') AS found
  UNION ALL SELECT 'runs under way', found[1] FROM runs JOIN occurrences o ON o.id = runs.occurrence_id AND o.state = 'open',
    regexp_matches(runs.components::text, '"sealed": "(wb1\.[^"]+)"', 'g') AS found
)
SELECT what, split_part(envelope, '.', 2) AS key, count(*) AS number FROM sealed WHERE envelope LIKE 'wb1.%' GROUP BY 1, 2 ORDER BY 1, 2
""")


async def by_key(tx: AsyncConnection) -> dict[str, dict[str, int]]:
    """By the name of a key, how much of what is sealed under it."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await tx.execute(COUNT):
        found[row.key][row.what] = row.number
    return dict(found)


async def hold_rotation(tx: AsyncConnection) -> None:
    """One rotation at a time, whatever host it is asked for on."""
    await tx.execute(_LOCK, {"space": LOCK_SPACE, "lock": _ROTATION_LOCK})
