"""A black box in the database: which rows of jobs and occurrences each transaction changed, by triggers of the test's own.

The oracle judges by it, so it sees what was committed and nothing of how.
"""

from dataclasses import dataclass
from typing import Any

import psycopg

_SET_UP = """
CREATE TABLE sim_journal (seq bigserial PRIMARY KEY, rel text NOT NULL, old jsonb, new jsonb);
CREATE FUNCTION sim_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO sim_journal (rel, old, new) VALUES (TG_TABLE_NAME, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
    CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
  RETURN NULL;
END $$;
CREATE TRIGGER sim_jobs AFTER INSERT OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_jobs_changed AFTER UPDATE ON jobs FOR EACH ROW WHEN (
  (OLD.mark_at, OLD.next_due_at, OLD.enabled, OLD.state, OLD.revision, OLD.deleted_at, OLD.definition) IS DISTINCT FROM
  (NEW.mark_at, NEW.next_due_at, NEW.enabled, NEW.state, NEW.revision, NEW.deleted_at, NEW.definition))
  EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_occurrences AFTER INSERT OR DELETE ON occurrences FOR EACH ROW EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_occurrences_changed AFTER UPDATE ON occurrences FOR EACH ROW WHEN (
  (OLD.state, OLD.reason, OLD.scheduled_for_at, OLD.range_end_at, OLD.range_count, OLD.is_late) IS DISTINCT FROM
  (NEW.state, NEW.reason, NEW.scheduled_for_at, NEW.range_end_at, NEW.range_count, NEW.is_late))
  EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_windows AFTER INSERT OR UPDATE OR DELETE ON windows FOR EACH ROW EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_attachments AFTER INSERT OR UPDATE OR DELETE ON window_attachments FOR EACH ROW EXECUTE FUNCTION sim_note();
CREATE TRIGGER sim_outages AFTER INSERT OR UPDATE OR DELETE ON outages FOR EACH ROW EXECUTE FUNCTION sim_note();
"""
_TAKE = "WITH taken AS (DELETE FROM sim_journal RETURNING *) SELECT rel, old, new FROM taken ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Change:
    """One row as it was and as it is; None = it was or is not there."""

    table: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


async def install(observer: psycopg.AsyncConnection[Any]) -> None:
    await observer.execute(_SET_UP.encode())


async def take(observer: psycopg.AsyncConnection[Any]) -> list[Change]:
    """What was committed since the last look. What is still under way elsewhere is invisible, and comes with its commit."""
    return [Change(*row) for row in await (await observer.execute(_TAKE)).fetchall()]
