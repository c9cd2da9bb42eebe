"""Stored credentials of sites and of everything, and which job signs in with which, or with the service account of its devices."""

from alembic import op

revision = "0031"
down_revision = "0030"

UP = """
-- Without a site it is for every site. `sealed` has an envelope for each secret by its name; `lost` names those of them that no key of
-- the ring opens any more: while there is one, nothing signs in with the credential.
CREATE TABLE credentials (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site_id bigint REFERENCES sites,
  name text NOT NULL CHECK (name <> ''),
  description text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ssh', 'winrm')),
  username text NOT NULL,
  domain text,
  port integer CHECK (port BETWEEN 1 AND 65535),
  transport text CHECK (transport IN ('ntlm', 'credssp', 'kerberos', 'basic', 'certificate')),
  tls boolean,
  validate_certificates boolean,
  certificate text,
  certificate_fingerprint text,
  certificate_expires_at timestamptz,
  become_method text CHECK (become_method IN ('sudo', 'su', 'doas', 'runas')),
  become_user text,
  key_type text,
  key_bits integer,
  key_fingerprint text,
  sealed jsonb NOT NULL,
  lost text[] NOT NULL DEFAULT '{}',
  revision integer NOT NULL CHECK (revision > 0),
  created_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_by bigint REFERENCES operators,
  updated_at timestamptz NOT NULL,
  CHECK ((kind = 'winrm') = (transport IS NOT NULL AND tls IS NOT NULL)),
  CHECK ((become_method IS NULL) = (become_user IS NULL))
);
CREATE UNIQUE INDEX credentials_name ON credentials (lower(name), site_id) NULLS NOT DISTINCT;
CREATE INDEX credentials_site ON credentials (site_id) WHERE site_id IS NOT NULL;

ALTER TABLE jobs
  ADD COLUMN credential_id bigint REFERENCES credentials,
  ADD COLUMN use_service_account boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT jobs_one_login CHECK (credential_id IS NULL OR NOT use_service_account);
CREATE INDEX jobs_credential ON jobs (credential_id) WHERE credential_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UP)
