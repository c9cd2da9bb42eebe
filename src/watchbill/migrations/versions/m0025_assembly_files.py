"""Files of assemblies: each content once, in pieces, and which revisions refer to it."""

from alembic import op

revision = "0025"
down_revision = "0024"

UP = """
-- A content. Without a digest it is still being sent; from then on it never changes.
CREATE TABLE file_contents (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sha256 text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  created_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  -- Since when nothing has referred to it; NULL = something does. One that is being sent is not referred to.
  unused_since timestamptz
);
CREATE UNIQUE INDEX file_contents_digest ON file_contents (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX file_contents_unused ON file_contents (unused_since) WHERE unused_since IS NOT NULL;

-- In a row: position n begins at n MiB.
CREATE TABLE file_pieces (
  content_id bigint NOT NULL REFERENCES file_contents ON DELETE CASCADE,
  position integer NOT NULL CHECK (position >= 0),
  data bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 1048576),
  PRIMARY KEY (content_id, position)
);
-- Not compressed: parts of a piece are read without reading all of it, and what is sent around mostly is compressed already.
ALTER TABLE file_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- What a revision refers to; names and sizes are in its content. No foreign key to contents: the revision stays when its files have gone.
CREATE TABLE assembly_revision_files (
  assembly_id uuid NOT NULL,
  revision integer NOT NULL,
  sha256 text COLLATE "C" NOT NULL,
  PRIMARY KEY (assembly_id, revision, sha256),
  FOREIGN KEY (assembly_id, revision) REFERENCES assembly_revisions
);
CREATE INDEX assembly_revision_files_digest ON assembly_revision_files (sha256);
CREATE TRIGGER assembly_revision_files_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON assembly_revision_files
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.execute(UP)
