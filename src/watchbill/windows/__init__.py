"""Maintenance windows and blackouts: when work may start, on what, and what becomes of what may not."""

from watchbill.core.windows import Verdict, WindowSet
from watchbill.windows.covering import covering_devices, covering_jobs, load

__all__ = ["Verdict", "WindowSet", "covering_devices", "covering_jobs", "load"]
