"""Workflows at run time: launching them, moving their runs on, what their nodes do, and what people see of it and decide.

The document and its rules are `core.workflow_graph`'s, what comes next in a run is `core.workflow_steps`'s. Work on devices goes through
`runs`, as that of jobs does.
"""

from watchbill.workflows.deciding import cancel, decide, require_whole, resume
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
    set_devices,
)
from watchbill.workflows.requests import from_json as request_from_json
from watchbill.workflows.requests import told
from watchbill.workflows.runtime import REQUESTS, STEP_LIMIT, BrokenRunError, give_up, step
from watchbill.workflows.store import Claimed, answer, claim_requests, give_up_abandoned, next_wake
from watchbill.workflows.webhook_taking import Delivery, Taken, note_stranger
from watchbill.workflows.webhook_taking import take as take_delivery
from watchbill.workflows.webhook_values import MadeWebhook, Webhook, WebhookDelivery, WebhookDraft
from watchbill.workflows.webhooks import (
    create_webhook,
    delete_webhook,
    get_webhook,
    list_deliveries,
    list_webhooks,
    lock_webhook,
    reseal,
    rotate_secret,
    update_webhook,
)
from watchbill.workflows.webhooks import forget as forget_deliveries
from watchbill.workflows.webhooks import try_out as try_webhook

__all__ = [
    "REQUESTS",
    "STEP_LIMIT",
    "BrokenRunError",
    "Claimed",
    "Delivery",
    "Documents",
    "Launch",
    "MadeWebhook",
    "NodeView",
    "OpenApproval",
    "RunFilter",
    "RunView",
    "SetDevice",
    "Taken",
    "Webhook",
    "WebhookDelivery",
    "WebhookDraft",
    "answer",
    "cancel",
    "claim_requests",
    "create_webhook",
    "decide",
    "delete_webhook",
    "forget_deliveries",
    "get_run",
    "get_webhook",
    "give_up",
    "give_up_abandoned",
    "launch",
    "list_deliveries",
    "list_runs",
    "list_webhooks",
    "lock_webhook",
    "next_wake",
    "note_stranger",
    "open_approvals",
    "request_from_json",
    "require_whole",
    "reseal",
    "resume",
    "rotate_secret",
    "set_devices",
    "step",
    "take_delivery",
    "told",
    "try_webhook",
    "update_webhook",
]
