"""What is signed of a package of the agent: its manifest as a value, its text as signed, and the bytes that are signed.

Signing and verifying themselves stay with whoever holds keys; this module needs none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from watchbill_wire import fields as f
from watchbill_wire.errors import WireError

MAX_PACKAGE_BYTES = 200 * 1024 * 1024
MAX_MANIFEST_CHARACTERS = 4096

_SPEC: f.Spec = (
    ("format", f.integer(1, 1)),
    ("name", f.one_of("watchbill-agent")),
    (
        "version",
        f.pattern(
            r"[0-9][0-9A-Za-z.+-]{0,39}", "a version of 1 to 40 letters, digits, dots, + and hyphens, a digit first"
        ),
    ),
    ("platform", f.one_of("linux", "windows")),
    ("arch", f.one_of("x86_64", "aarch64")),
    ("glibc", f.optional(f.pattern(r"[0-9]{1,3}\.[0-9]{1,3}", "a version of glibc such as 2.36, or null"))),
    ("sha256", f.SHA256),
    ("size", f.integer(1, MAX_PACKAGE_BYTES)),
    ("built_at", f.time),
)


@dataclass(frozen=True)
class PackageManifest:
    """`size` in bytes and `sha256` are the package file's; `glibc` is the least one that it runs with, None where it needs none."""

    version: str
    platform: str
    arch: str
    sha256: str
    size: int
    built_at: datetime
    glibc: str | None = None
    format: int = 1
    name: str = "watchbill-agent"

    @property
    def file_name(self) -> str:
        return package_file_name(self.version, self.platform, self.arch)

    def to_text(self) -> str:
        """The canonical text: sorted keys, no spaces. What is signed is this text, byte for byte."""
        plain: dict[str, Any] = {**asdict(self), "built_at": f.time_text(self.built_at)}
        return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def package_file_name(version: str, platform: str, arch: str) -> str:
    return f"watchbill-agent-{version}-{platform}-{arch}.{'zip' if platform == 'windows' else 'tar.gz'}"


def parse_manifest(text: str) -> PackageManifest:
    if len(text) > MAX_MANIFEST_CHARACTERS:
        raise WireError([("manifest", f"must be at most {MAX_MANIFEST_CHARACTERS} characters")])
    return PackageManifest(**f.fill(_SPEC, f.load(text, "manifest")))


def package_signing_bytes(manifest: bytes) -> bytes:
    return b"watchbill-package:v1\n" + manifest
