"""What an execution's folder tells: the files that supervisor and agent leave for each other, read and written as text.

Only reading and shaping; no process is touched here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict

from watchbill_agent.events import NOTHING_KEPT, Kept
from watchbill_agent.sessions import Account
from watchbill_wire import EnvelopePayload, Stream

LAST_LINE_CHARACTERS = 500


class OutputFacts(TypedDict):
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    last_line: str | None


def order_text(
    payload: EnvelopePayload,
    arguments: list[str],
    environment: Mapping[str, str],
    masked: Sequence[bytes] = (),
    account: Account | None = None,
) -> bytes:
    """`account`: whom the script runs as; None = as the agent itself."""
    fields = [
        f"time_limit={payload.time_limit_seconds}",
        f"kill_grace={payload.kill_grace_seconds}",
        f"head={payload.head_bytes}",
        f"tail={payload.tail_bytes}",
        *(f"argv={argument}" for argument in arguments),
        *(f"env={name}={text}" for name, text in environment.items()),
    ]
    if account is not None:
        fields += [f"id={number}" for number in (account.uid, account.gid, *account.groups)]
        fields.append(f"cwd={account.home}")
    texts = "".join(f"{field}\0" for field in fields).encode("utf-8")
    return texts + b"".join(b"mask=" + pattern + b"\0" for pattern in masked)


def limits_text(head: int, tail: int, boot_id: str) -> bytes:
    return f"head={head}\ntail={tail}\nboot_id={boot_id}\n".encode("ascii")


def read_facts(path: Path) -> dict[str, str]:
    """Empty when the file does not exist: both sides put files in place by renaming, so they are whole or absent."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def boot_of(folder: Path) -> str:
    return read_facts(folder / "limits").get("boot_id", "")


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def outcome_of(facts: Mapping[str, str]) -> Literal["exited", "timed_out", "cancelled"]:
    if facts["outcome"] == "timed_out":
        return "timed_out"
    return "cancelled" if facts["outcome"] == "cancelled" else "exited"


def kept_of(facts: Mapping[str, str], stream: Stream) -> Kept:
    return _kept(int(facts[f"{stream}_total"]), int(facts[f"{stream}_head"]), int(facts[f"{stream}_tail"]))


def kept_without_end(folder: Path, stream: Stream) -> Kept:
    """The supervisor counts as it writes, so that its death loses nothing that it stored."""
    try:
        total, head, tail = (int(word) for word in (folder / f"{stream}.counts").read_bytes().split())
    except (OSError, ValueError):
        return NOTHING_KEPT
    return _kept(total, head, tail)


def _kept(total: int, head: int, tail: int) -> Kept:
    """With nothing kept after the head, the tail begins where the stream ends."""
    return Kept(head, total - tail, total)


def read_stream(folder: Path, stream: Stream, offset: int, length: int) -> bytes:
    limits = read_facts(folder / "limits")
    head, tail = int(limits.get("head", 0)), int(limits.get("tail", 0))
    try:
        if offset < head:
            return _read_at(folder / f"{stream}.head", offset, min(length, head - offset))
        place = (offset - head) % tail if tail else 0
        first = _read_at(folder / f"{stream}.tail", place, min(length, tail - place))
        return first + _read_at(folder / f"{stream}.tail", 0, length - len(first))
    except OSError:
        return b""


def _read_at(path: Path, offset: int, length: int) -> bytes:
    if length <= 0:
        return b""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def output_facts(folder: Path, kept: Mapping[Stream, Kept], *, is_failure: bool) -> OutputFacts:
    order: tuple[Stream, Stream] = ("stderr", "stdout") if is_failure else ("stdout", "stderr")
    lines = [last_line(folder, stream, kept[stream]) for stream in order]
    return OutputFacts(
        stdout_bytes=kept["stdout"].end,
        stderr_bytes=kept["stderr"].end,
        truncated=any(one.head < one.tail for one in kept.values()),
        last_line=lines[0] or lines[1],
    )


def last_line(folder: Path, stream: Stream, kept: Kept) -> str | None:
    """What a list shows beside a device: the last line that is not empty, without control characters."""
    if kept.tail < kept.end:
        start = max(kept.tail, kept.end - 4096)
        raw = read_stream(folder, stream, start, kept.end - start)
    else:
        start = max(0, kept.head - 4096)
        raw = read_stream(folder, stream, start, kept.head - start)
    lines = [line.strip() for line in raw.decode("utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        return None
    return "".join(c if c.isprintable() else " " for c in lines[-1]).strip()[:LAST_LINE_CHARACTERS] or None


def why_interrupted(folder: Path, boot_id: str) -> str:
    if not folder.is_dir():
        return "no trace of its start was found"
    if boot_of(folder) != boot_id:
        return "the device restarted while it ran"
    lines = _read_log(folder / "supervisor.log")
    return f"its supervisor ended: {lines[-1]}"[:500] if lines else "its supervisor was killed"


def _read_log(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text[-4000:].splitlines() if line.strip()]
