"""Maintenance windows and blackouts: when work may start, on what, and what becomes of what may not."""

from watchbill.core.windows import Verdict, WindowSet
from watchbill.windows.calendar_events import LeftOut
from watchbill.windows.covering import Alike, covering_devices, covering_jobs, covering_targets, load, version
from watchbill.windows.importing import Imported, import_calendar
from watchbill.windows.looking import check, current, next_opening, preview, try_out
from watchbill.windows.saving import (
    GATEWAYS,
    MAX_WINDOWS,
    allowed_actions,
    create,
    delete,
    filter_changed,
    get,
    list_windows,
    lock,
    update,
    using_filter,
)
from watchbill.windows.store import existing
from watchbill.windows.values import (
    Action,
    Checked,
    CheckedGroup,
    NamedAttachment,
    Preview,
    Saved,
    SavedWindow,
    Stretch,
    Tried,
    WindowFilter,
    ZonePreview,
)

__all__ = [
    "GATEWAYS",
    "MAX_WINDOWS",
    "Action",
    "Alike",
    "Checked",
    "CheckedGroup",
    "Imported",
    "LeftOut",
    "NamedAttachment",
    "Preview",
    "Saved",
    "SavedWindow",
    "Stretch",
    "Tried",
    "Verdict",
    "WindowFilter",
    "WindowSet",
    "ZonePreview",
    "allowed_actions",
    "check",
    "covering_devices",
    "covering_jobs",
    "covering_targets",
    "create",
    "current",
    "delete",
    "existing",
    "filter_changed",
    "get",
    "import_calendar",
    "list_windows",
    "load",
    "lock",
    "next_opening",
    "preview",
    "try_out",
    "update",
    "using_filter",
    "version",
]
