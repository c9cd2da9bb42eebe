"""A run that has far more devices than there are agents: rows written set-based beside those that really ran, in the shape that the Engine writes."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_DEVICES = text("""
INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, os_name, os_version, arch, agent_version, interpreters,
  created_at, updated_at)
SELECT gen_random_uuid(), t.site_id, 'host-' || lpad(n::text, 6, '0'), 'active', decode(md5(n::text) || md5(n::text || :salt), 'hex'),
  'linux', 'Debian GNU/Linux', '12', 'x86_64', '0.1.0', '{bash}', clock_timestamp(), clock_timestamp()
FROM generate_series(1, :number) n, (SELECT site_id FROM run_targets WHERE occurrence_id = CAST(:occurrence AS uuid) LIMIT 1) t
""")
# Of a hundred ninety went well, and two in a hundred failed: those whose number ends in 25 or 75.
_TARGETS = text("""
INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, attempt, term, wave, is_awaited,
  released_at, expires_at, started_at, finished_at, exit_code, last_line)
SELECT t.run_id, t.occurrence_id, t.job_id, d.id, d.site_id, d.hostname, s.state,
  CASE s.state WHEN 'expired' THEN 'offline' END, CASE WHEN s.state = 'expired' THEN 0 ELSE 1 END, 1, t.wave, false, t.released_at, t.expires_at,
  CASE WHEN s.state <> 'expired' THEN t.started_at END, t.finished_at, CASE s.state WHEN 'success' THEN 0 WHEN 'failed' THEN 3 END,
  CASE s.state WHEN 'success' THEN 'removed 17 files' WHEN 'failed' THEN 'no space left on device' END
FROM (SELECT * FROM run_targets WHERE occurrence_id = CAST(:occurrence AS uuid) LIMIT 1) t, devices d,
  LATERAL (SELECT substr(d.hostname, 6)::integer % 50 AS rest) n,
  LATERAL (SELECT CASE n.rest WHEN 25 THEN 'failed' WHEN 10 THEN 'expired' ELSE 'success' END AS state) s
WHERE d.hostname LIKE 'host-%' ORDER BY d.hostname
""")
_COUNTS = text("""
INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
SELECT occurrence_id, site_id, wave, state, count(*) FROM run_targets WHERE occurrence_id = CAST(:occurrence AS uuid) GROUP BY 1, 2, 3, 4
ON CONFLICT (occurrence_id, site_id, wave, state) DO UPDATE SET number = excluded.number
""")


async def widen(tx: AsyncConnection, occurrence: str, number: int) -> None:
    """`number` more devices, `host-000001` and on, in an occurrence that has ended."""
    values = {"occurrence": occurrence, "number": number, "salt": "crowd"}
    await tx.execute(_DEVICES, values)
    await tx.execute(_TARGETS, values)
    await tx.execute(_COUNTS, values)
