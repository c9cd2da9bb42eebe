"""Channels, rules, and the messages that tell people what became of their jobs."""

from alembic import op

revision = "0019"
down_revision = "0018"

UP = """
CREATE TABLE notification_channels (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('webhook', 'email')),
  name text NOT NULL,
  description text NOT NULL,
  -- Whose rules may use it: operators of one of these sites; NULL = of whoever sees every site.
  site_ids bigint[],
  -- What may be shown of where it leads; the whole address of a webhook, its secret and headers are in `sealed`.
  destination text NOT NULL,
  addresses text[] NOT NULL,
  header_names text[] NOT NULL,
  sealed text,
  timezone text NOT NULL,
  digest jsonb,
  quiet jsonb,
  enabled boolean NOT NULL,
  revision integer NOT NULL,
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text
);
CREATE UNIQUE INDEX notification_channels_name ON notification_channels (lower(name)) WHERE archived_at IS NULL;

CREATE TABLE notification_rules (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Of one job, of the jobs of one site, or of all jobs.
  job_id bigint REFERENCES jobs,
  site_id bigint REFERENCES sites ON DELETE CASCADE,
  events text[] NOT NULL CHECK (cardinality(events) > 0),
  urgent_events text[] NOT NULL,
  not_started_minutes integer NOT NULL,
  failures_in_a_row integer NOT NULL,
  slower_factor double precision NOT NULL,
  replaces_general boolean NOT NULL,
  enabled boolean NOT NULL,
  allowed_site_ids bigint[],
  scope_of bigint REFERENCES operators,
  revision integer NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CHECK (job_id IS NULL OR site_id IS NULL),
  CHECK (urgent_events <@ events)
);
CREATE INDEX notification_rules_of_job ON notification_rules (job_id) WHERE archived_at IS NULL;

CREATE TABLE notification_rule_channels (
  rule_id bigint NOT NULL REFERENCES notification_rules ON DELETE CASCADE,
  channel_id bigint NOT NULL REFERENCES notification_channels,
  PRIMARY KEY (rule_id, channel_id)
);

-- Occurrences that changed and have not been looked at. Written with the change itself, by whoever makes it: none is lost, however
-- late a transaction commits and whoever dies.
CREATE TABLE notification_marks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurrence_id uuid NOT NULL
);

-- When an occurrence that goes on is to be looked at by the clock.
CREATE TABLE notification_watches (
  rule_id bigint NOT NULL REFERENCES notification_rules ON DELETE CASCADE,
  occurrence_id uuid NOT NULL,
  event text NOT NULL,
  due_at timestamptz NOT NULL,
  usual_seconds double precision,
  PRIMARY KEY (rule_id, occurrence_id, event)
);
CREATE INDEX notification_watches_due ON notification_watches (due_at);

-- What happened, once for each rule: `key` says of which occurrence or of which streak.
CREATE TABLE notifications (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule_id bigint NOT NULL REFERENCES notification_rules,
  event text NOT NULL,
  key text NOT NULL,
  job_id bigint NOT NULL REFERENCES jobs,
  occurrence_id uuid NOT NULL,
  facts jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (rule_id, event, key)
);
CREATE INDEX notifications_of_job ON notifications (job_id, id);
CREATE INDEX notifications_time ON notifications (created_at);

-- What is sent to one channel: one notification, or those that were gathered until `slot_at`. The id goes with every attempt.
CREATE TABLE notification_messages (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  channel_id bigint NOT NULL REFERENCES notification_channels,
  slot_at timestamptz,
  state text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
  due_at timestamptz NOT NULL,
  attempt integer NOT NULL DEFAULT 0,
  leased_until timestamptz,
  first_attempt_at timestamptz,
  -- The receiver did not answer or is in trouble: what comes after it to the same channel waits behind it.
  holds_line boolean NOT NULL DEFAULT false,
  error text,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  UNIQUE (channel_id, slot_at)
);
CREATE INDEX notification_messages_waiting ON notification_messages (channel_id, seq) WHERE state = 'waiting';

CREATE TABLE notification_items (
  message_seq bigint NOT NULL REFERENCES notification_messages ON DELETE CASCADE,
  notification_id bigint NOT NULL REFERENCES notifications ON DELETE CASCADE,
  PRIMARY KEY (message_seq, notification_id)
);
CREATE INDEX notification_items_of ON notification_items (notification_id);

-- The sign of life that goes out: one row, so that any number of schedulers send one.
CREATE TABLE outbound_heartbeat (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  next_at timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text
);
INSERT INTO outbound_heartbeat DEFAULT VALUES;

-- What ended of a job, in the order of its ending: streaks and usual durations are read from here.
CREATE INDEX occurrences_ended ON occurrences (job_id, closed_at DESC, id DESC) WHERE state = 'closed';

CREATE FUNCTION mark_for_notifications() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM notification_rules WHERE enabled AND archived_at IS NULL) THEN
    IF TG_OP = 'INSERT' THEN
      INSERT INTO notification_marks (occurrence_id) SELECT id FROM fresh;
    ELSE
      INSERT INTO notification_marks (occurrence_id)
      SELECT f.id FROM fresh f JOIN stale s ON s.id = f.id WHERE (f.state, f.outcome) IS DISTINCT FROM (s.state, s.outcome);
    END IF;
    IF FOUND THEN
      PERFORM pg_notify('watchbill_notifications', '');
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER occurrences_opened_told AFTER INSERT ON occurrences REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION mark_for_notifications();
CREATE TRIGGER occurrences_changed_told AFTER UPDATE ON occurrences REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION mark_for_notifications();
"""


def upgrade() -> None:
    op.execute(UP)
