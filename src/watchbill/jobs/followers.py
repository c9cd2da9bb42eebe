"""Which jobs run each new revision of an assembly, by themselves or through workflows. Only reads."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import SiteScope

# Of workflows the revisions that anything runs: the latest ones, and those that jobs or these pin. A node follows what it takes as the
# latest, a job what its component does, over any number of levels. A workflow may run wherever the scope of its job reaches.
_FOLLOWING: Final = text("""
WITH RECURSIVE latest AS MATERIALIZED (
  SELECT a.id, a.revision, n.node->'settings'->>'assembly_id' AS names, n.node->'settings'->>'revision' AS number
  FROM assemblies a JOIN assembly_revisions r ON r.assembly_id = a.id AND r.revision = a.revision
  CROSS JOIN LATERAL jsonb_array_elements(r.content->'workflow'->'nodes') AS n(node)
  WHERE a.kind = 'workflow' AND a.archived_at IS NULL AND n.node->'settings' ? 'assembly_id'
), pinned AS (
  SELECT c.assembly_id AS id, c.assembly_revision AS revision FROM job_components c
  JOIN jobs j ON j.id = c.job_id AND j.workflow_id = c.assembly_id AND j.deleted_at IS NULL WHERE c.assembly_revision IS NOT NULL
  UNION SELECT CAST(names AS uuid), CAST(number AS integer) FROM latest WHERE number <> 'latest'
), node AS MATERIALIZED (
  SELECT id, revision, true AS is_latest, names, number FROM latest
  UNION ALL
  SELECT p.id, p.revision, false, n.node->'settings'->>'assembly_id', n.node->'settings'->>'revision'
  FROM pinned p JOIN assembly_revisions r ON r.assembly_id = p.id AND r.revision = p.revision
  CROSS JOIN LATERAL jsonb_array_elements(r.content->'workflow'->'nodes') AS n(node)
  WHERE n.node->'settings' ? 'assembly_id'
), follower AS (
  SELECT CAST(:assembly AS uuid) AS id, CAST(NULL AS integer) AS revision, true AS is_latest
  UNION
  SELECT n.id, n.revision, n.is_latest FROM follower f
  JOIN node n ON n.names = CAST(f.id AS text) AND ((f.is_latest AND n.number = 'latest') OR n.number = CAST(f.revision AS text))
), job AS (
  SELECT j.* FROM jobs j WHERE j.deleted_at IS NULL AND j.id IN (
    SELECT c.job_id FROM job_components c JOIN follower f ON f.id = c.assembly_id
      AND ((c.assembly_revision IS NULL AND f.is_latest) OR c.assembly_revision = f.revision))
)
SELECT count(*) FILTER (WHERE j.definition->>'execution_context' IS DISTINCT FROM 'current_user') AS privileged,
  count(*) FILTER (WHERE CAST(:sites AS bigint[]) IS NOT NULL AND (
    (j.workflow_id IS NOT NULL AND (j.allowed_site_ids <@ CAST(:sites AS bigint[])) IS NOT TRUE)
    OR EXISTS (SELECT FROM job_targets t JOIN devices d ON d.id = t.device_id
      WHERE t.job_id = j.id AND NOT t.is_exclusion AND (d.site_id = ANY(:sites)) IS NOT TRUE))) AS elsewhere
FROM job j
""")


async def following_assembly(tx: AsyncConnection, scope: SiteScope, assembly_id: UUID) -> tuple[int, int]:
    """How many jobs take each new revision of an assembly and run it as SYSTEM or from the Engine, and how many, whoever they run it as,
    reach beyond the scope.
    """
    row = (await tx.execute(_FOLLOWING, {"assembly": assembly_id, "sites": scope.as_list()})).one()
    return row.privileged, row.elsewhere
