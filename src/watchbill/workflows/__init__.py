"""Workflows at run time: launching them, moving their runs on, what their nodes do, and what people see of it and decide.

The document and its rules are `core.workflow_graph`'s, what comes next in a run is `core.workflow_steps`'s. Work on devices goes through
`runs`, as that of jobs does.
"""

from watchbill.workflows.deciding import cancel, decide, kept_and_again, require_whole, resume
from watchbill.workflows.documents import Documents
from watchbill.workflows.launching import Launch, launch
from watchbill.workflows.reading import (
    NodeView,
    OpenApproval,
    RunFilter,
    RunView,
    SetDevice,
    get_run,
    list_runs,
    open_approvals,
    run_of_occurrence,
    set_devices,
)
from watchbill.workflows.requests import from_json as request_from_json
from watchbill.workflows.requests import told
from watchbill.workflows.runtime import REQUESTS, STEP_LIMIT, BrokenRunError, give_up, step
from watchbill.workflows.store import Claimed, answer, claim_requests, give_up_abandoned, next_wake

__all__ = [
    "REQUESTS",
    "STEP_LIMIT",
    "BrokenRunError",
    "Claimed",
    "Documents",
    "Launch",
    "NodeView",
    "OpenApproval",
    "RunFilter",
    "RunView",
    "SetDevice",
    "answer",
    "cancel",
    "claim_requests",
    "decide",
    "get_run",
    "give_up",
    "give_up_abandoned",
    "kept_and_again",
    "launch",
    "list_runs",
    "next_wake",
    "open_approvals",
    "request_from_json",
    "require_whole",
    "resume",
    "run_of_occurrence",
    "set_devices",
    "step",
    "told",
]
