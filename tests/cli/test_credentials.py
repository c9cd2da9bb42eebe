"""Credentials on the command line: secrets come from standard input or a file, never from an argument, and never out again."""

from pathlib import Path

from tests.cli.conftest import Watchbill
from tests.factories.private_keys import PASSPHRASE, ed25519_key, written

SECRET = "hunter2 of the command line"


def test_a_credential_is_made_changed_shown_and_deleted(signed_in: Watchbill, unique: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(written(ed25519_key(), PASSPHRASE))
    made = signed_in(
        *("credentials", "create", unique, "--kind", "ssh", "--user", "root", "--password", "--key", str(key)),
        *("--passphrase", "--become", "su", "--become-password", "--json"),
        stdin=f"{SECRET}\n{PASSPHRASE}\nbecome-me\n",
    )
    assert made.code == 0, made.err
    assert (made.json["has_password"], made.json["has_passphrase"], made.json["key"]["type"]) == (True, True, "ed25519")
    assert made.json["become"] == {"method": "su", "user": "root", "has_password": True}
    shown = signed_in("credentials", "show", unique)
    assert "ed25519 256 SHA256:" in shown.out
    assert "no job" in shown.out
    changed = signed_in(
        "credentials", "update", unique, "--user", "ops", "--remove", "private_key", "--become-user", "admin", "--json"
    )
    assert changed.code == 0, changed.err
    assert (changed.json["username"], changed.json["has_password"], changed.json["has_private_key"]) == (
        "ops",
        True,
        False,
    )
    assert changed.json["become"] == {"method": "su", "user": "admin", "has_password": True}
    listed = signed_in("credentials", "list", "-q", unique)
    assert "every site" in listed.out
    for said in (made, shown, changed, listed):
        for secret in (SECRET, PASSPHRASE, "become-me", "PRIVATE"):
            assert secret not in said.out + said.err
    assert signed_in("credentials", "delete", unique).code == 2, "it asks before"
    assert signed_in("credentials", "delete", unique, "--yes").code == 0
    assert signed_in("credentials", "show", unique).code == 5


def test_what_is_wrong_is_told_before_anything_is_sent_or_by_the_engine(signed_in: Watchbill, unique: str) -> None:
    create = ("credentials", "create", unique, "--kind", "ssh", "--user", "root")
    assert signed_in(*create, "--password", stdin="").code == 2
    assert signed_in(*create, "--become-user", "x", stdin="").code == 2
    clash = signed_in(*create, "--key", "-", "--passphrase", stdin="a key")
    assert (clash.code, "as a file" in clash.err) == (2, True)
    refused = signed_in(*create, "--key", "-", stdin="ssh-ed25519 " + "A" * 68)
    assert (refused.code, "public key" in refused.err) == (1, True)
    none = signed_in(*create)
    assert (none.code, "password: or private_key is required" in none.err) == (1, True)


def test_a_job_is_told_what_to_sign_in_with(signed_in: Watchbill, unique: str, tmp_path: Path) -> None:
    made = signed_in(
        "credentials", "create", unique, "--kind", "ssh", "--user", "root", "--password", "--json", stdin="a secret\n"
    )
    file = tmp_path / "job.yaml"
    file.write_text("name: Sweep\ntargets: [{kind: all_devices}]\nschedule: {type: daily}\ncomponents: []\n")
    both = signed_in("jobs", "create", "-f", str(file), "--credential", unique, "--service-account")
    assert (both.code, "not both" in both.err) == (2, True)
    local = signed_in("jobs", "create", "-f", str(file), "--context", "system", "--credential", unique)
    assert (local.code, "must be null: what runs through the agent" in local.err) == (1, True)
    assert signed_in("jobs", "create", "-f", str(file), "--credential", "nobody").code == 5
    assert signed_in("credentials", "delete", str(made.json["id"]), "--yes").code == 0
