"""Whether a package of the agent is what the Engine made: its signature, its size and its hash. Writes nothing.

It is asked before a package is unpacked, by installers on their way in and by the agent that has one already.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchbill_agent.errors import AgentError
from watchbill_wire import (
    MAX_MANIFEST_CHARACTERS,
    PackageManifest,
    WireError,
    from_base64url,
    package_signing_bytes,
    parse_manifest,
)

_PIECE = 1024 * 1024


def verify(archive: Path, manifest: Path, signature: str, key: str) -> PackageManifest:
    """The manifest, when it is signed by this key and the archive is the one that it names. AgentError says what is wrong."""
    text = _read(manifest)
    _check_signature(text, signature, key)
    try:
        found = parse_manifest(text.decode("utf-8"))
    except (WireError, UnicodeDecodeError) as error:
        raise AgentError(f"--manifest: {error}") from None
    _check_archive(archive, found)
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4 * MAX_MANIFEST_CHARACTERS + 1)
    except OSError as error:
        raise AgentError(f"--manifest: {path} cannot be read: {error.strerror}") from None


def _check_signature(text: bytes, signature: str, key: str) -> None:
    try:
        public = Ed25519PublicKey.from_public_bytes(from_base64url(key, 64))
    except ValueError:
        raise AgentError("--key: must be the base64url of an Ed25519 public key") from None
    try:
        public.verify(from_base64url(signature, 128), package_signing_bytes(text))
    except (ValueError, InvalidSignature):
        raise AgentError(
            "the package's manifest was not signed with this key; nothing of the package was used"
        ) from None


def _check_archive(archive: Path, expected: PackageManifest) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise AgentError(f"--archive: {archive} cannot be read: {error.strerror}") from None
    if size != expected.size:
        raise AgentError(f"--archive: {archive} has {size} bytes, and the package has {expected.size}")
    if digest.hexdigest() != expected.sha256:
        raise AgentError(f"--archive: {archive} has another SHA-256 than the package: it was changed on its way")
