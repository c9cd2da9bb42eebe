"""Which outputs are the same, and what can be searched of them: each output of a run once, with its words."""

from alembic import op

revision = "0023"
down_revision = "0022"

UP = """
-- Of what is stored of the output, its true size, and how the execution ended. NULL: it has not ended, or did before this was kept.
ALTER TABLE executions ADD COLUMN output_hash bytea;
CREATE INDEX executions_output ON executions (run_id, output_hash) WHERE output_hash IS NOT NULL;

-- The beginning and the end of each output that a run brought, once however many devices wrote the same.
CREATE TABLE output_texts (
  run_id bigint NOT NULL,
  hash bytea NOT NULL,
  stdout text NOT NULL,
  stderr text NOT NULL,
  -- core.output_words: weight A = standard output, B = standard error.
  words tsvector NOT NULL
) PARTITION BY RANGE (run_id);
CREATE TABLE output_texts_rest PARTITION OF output_texts DEFAULT;

-- The weeks that there are already.
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT replace(c.relname, 'output_chunks', 'output_texts') AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'output_chunks'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
  LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF output_texts %s', one.name, one.bound);
  END LOOP;
END $$;

ALTER TABLE output_texts
  ADD PRIMARY KEY (run_id, hash),
  ADD FOREIGN KEY (run_id) REFERENCES runs ON DELETE CASCADE;
CREATE INDEX output_texts_words ON output_texts USING gin (words);
"""


def upgrade() -> None:
    # As the driver gets it: a percent sign stands for itself.
    op.execute(UP)
