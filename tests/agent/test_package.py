"""What the agent says to a package before it is used."""

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import watchbill_wire as w
from tests.agent.conftest import COMMAND

CONTENT = b"the agent" * 1000


class Package:
    def __init__(self, folder: Path) -> None:
        self.archive, self.manifest = folder / "package.tar.gz", folder / "manifest.json"
        key = Ed25519PrivateKey.generate()
        digest = hashlib.sha256(CONTENT).hexdigest()
        built = datetime(2026, 11, 29, tzinfo=UTC)
        text = w.PackageManifest("1.2.3", "linux", "x86_64", digest, len(CONTENT), built).to_text().encode()
        self.archive.write_bytes(CONTENT)
        self.manifest.write_bytes(text)
        self.signature = w.base64url(key.sign(w.package_signing_bytes(text)))
        self.key = w.base64url(key.public_key().public_bytes_raw())

    def verify(self) -> "subprocess.CompletedProcess[str]":
        files = ["--archive", str(self.archive), "--manifest", str(self.manifest)]
        signed = ["--signature", self.signature, "--key", self.key]
        return subprocess.run(
            [*COMMAND, "package", "verify", *files, *signed], capture_output=True, text=True, check=False
        )


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


def test_a_package_that_is_whole_and_signed_is_good(package):
    done = package.verify()
    assert (done.returncode, done.stdout) == (0, "1.2.3\n"), done.stderr


def test_a_package_that_was_changed_is_refused_by_its_hash_and_one_that_was_cut_by_its_size(package):
    package.archive.write_bytes(CONTENT[:-1] + b"!")
    changed = package.verify()
    assert (changed.returncode, "another SHA-256" in changed.stderr) == (1, True)
    package.archive.write_bytes(CONTENT[:-1])
    cut = package.verify()
    assert (cut.returncode, f"has {len(CONTENT) - 1} bytes" in cut.stderr) == (1, True)


def test_a_manifest_that_was_changed_is_refused_even_where_it_fits_the_package(package):
    package.manifest.write_bytes(package.manifest.read_bytes().replace(b"1.2.3", b"9.9.9"))
    done = package.verify()
    assert (done.returncode, "was not signed with this key" in done.stderr) == (1, True)


def test_another_key_and_what_is_no_key_are_refused(package):
    package.key = w.base64url(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert "was not signed with this key" in package.verify().stderr
    package.key = "nonsense"
    done = package.verify()
    assert (done.returncode, "--key: must be the base64url" in done.stderr) == (1, True)


def test_a_key_and_a_signature_that_begin_with_a_hyphen_are_no_options(package):
    package.signature, package.key = "-" + "A" * 85, "-" + "A" * 42
    done = package.verify()
    assert (done.returncode, "was not signed with this key" in done.stderr) == (1, True), done.stderr


def test_a_file_that_is_not_there_is_named(package):
    package.archive.unlink()
    done = package.verify()
    assert (done.returncode, str(package.archive) in done.stderr) == (1, True)
