"""What became of a job's due instants: occurrences, frozen targets, executions, output and results.

Owns every change of a target's state. Does not decide when a job is due, and does not talk to devices.
"""

from watchbill.runs.dispatch import (
    GATEWAYS,
    KILL_GRACE,
    Delivery,
    Owed,
    RunContent,
    contents,
    devices_went_offline,
    gateway_channel,
    owed,
    release,
    take,
)
from watchbill.runs.history import (
    DeviceRow,
    Execution,
    JobHistory,
    Ledger,
    Occurrence,
    Run,
    clear,
    device_rows,
    executions_on,
    find_occurrence,
    get_execution,
    get_occurrence,
    get_run,
    last_occurrences,
    list_occurrences,
    runs_of,
)
from watchbill.runs.manual import Again, open_manual, rerun
from watchbill.runs.opening import Missed, Opening, open_occurrences, record_missed
from watchbill.runs.output import Chunk, Piece, Stream
from watchbill.runs.output import read as read_output
from watchbill.runs.output import store as store_output
from watchbill.runs.planning import Plan, plan
from watchbill.runs.preview import Preview, TargetCounts, preview
from watchbill.runs.record import Report, accepted, cancel_answered, finished, never_came, started
from watchbill.runs.stopping import (
    LONGEST_REST,
    cancel_job,
    cancel_occurrences,
    fail_unreleased,
    next_deadline,
    reap,
    to_cancel,
)

__all__ = [
    "GATEWAYS",
    "KILL_GRACE",
    "LONGEST_REST",
    "Again",
    "Chunk",
    "Delivery",
    "DeviceRow",
    "Execution",
    "JobHistory",
    "Ledger",
    "Missed",
    "Occurrence",
    "Opening",
    "Owed",
    "Piece",
    "Plan",
    "Preview",
    "Report",
    "Run",
    "RunContent",
    "Stream",
    "TargetCounts",
    "accepted",
    "cancel_answered",
    "cancel_job",
    "cancel_occurrences",
    "clear",
    "contents",
    "device_rows",
    "devices_went_offline",
    "executions_on",
    "fail_unreleased",
    "find_occurrence",
    "finished",
    "gateway_channel",
    "get_execution",
    "get_occurrence",
    "get_run",
    "last_occurrences",
    "list_occurrences",
    "never_came",
    "next_deadline",
    "open_manual",
    "open_occurrences",
    "owed",
    "plan",
    "preview",
    "read_output",
    "reap",
    "record_missed",
    "release",
    "rerun",
    "runs_of",
    "started",
    "store_output",
    "take",
    "to_cancel",
]
