"""The inventory as one message: bounded in size, with a digest that changes only when the device did."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zlib
from dataclasses import dataclass
from typing import Any

from watchbill_agent import itself
from watchbill_wire import MAX_FRAME_BYTES, Inventory

# Room for the frame around it and for what JSON escapes.
MAX_INVENTORY_BYTES = MAX_FRAME_BYTES - 64 * 1024
TIMEOUT_SECONDS = 180


@dataclass(frozen=True)
class Snapshot:
    """Kept compressed: it is sent rarely and would be the largest thing in an idle agent's memory."""

    digest: str
    packed: bytes

    def message(self) -> Inventory:
        return Inventory(self.digest, json.loads(zlib.decompress(self.packed)))


def take(branch: str) -> Snapshot | None:
    """Collected by a child process: what reading thousands of packages costs in memory goes away with it. None if it failed."""
    try:
        done = subprocess.run(
            itself.command("inventory", "--branch", branch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return seal(done.stdout)


def seal(text: bytes) -> Snapshot:
    return Snapshot("sha256:" + hashlib.sha256(text).hexdigest(), zlib.compress(text))


def collect(branch: str) -> bytes:
    from watchbill_agent import inventory_linux

    return pack(inventory_linux.collect(branch))


def pack(inventory: dict[str, Any]) -> bytes:
    text = _canonical(inventory)
    while len(text) > MAX_INVENTORY_BYTES:
        software = {source: items[: len(items) * 9 // 10] for source, items in inventory["software"].items()}
        inventory = {**inventory, "software": software, "is_software_cut": True}
        text = _canonical(inventory)
    return text


def _canonical(inventory: dict[str, Any]) -> bytes:
    text = json.dumps(inventory, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("\\u0000", "").encode("utf-8", errors="replace")
