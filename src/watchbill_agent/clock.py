"""The agent's only clocks. Durations and deadlines are monotonic; the wall clock is for logs and last resorts."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

monotonic = time.monotonic


def wall_now() -> datetime:
    return datetime.now(timezone.utc)


def wall_at(moment: float) -> datetime:
    """The wall-clock time of a monotonic moment of this boot."""
    return wall_now() - timedelta(seconds=monotonic() - moment)


def wall_of_file(seconds_since_epoch: float) -> datetime:
    return datetime.fromtimestamp(seconds_since_epoch, timezone.utc)
