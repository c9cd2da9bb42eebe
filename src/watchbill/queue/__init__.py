"""Work items and their leases. The only package that knows PgQueuer.

The queue entry is a doorbell and a lease; the truth (state, term, attempt) is the `work_items` row, and every write of a worker
names the term it was given. The worker's side is `watchbill.queue.worker`, apart because only site workers need what it imports.
"""

from watchbill.queue.pgqueuer_schema import converge_schema
from watchbill.queue.store import (
    ATTEMPT_LIMIT,
    CHANNEL,
    Backlog,
    FailedItem,
    Lane,
    Lease,
    NewItem,
    backlog,
    cancel,
    claim,
    failed_since,
    holds,
    leases_by_worker,
    prepare,
    put,
    put_unless_queued,
    settle,
    sites_with_work,
)

__all__ = [
    "ATTEMPT_LIMIT",
    "CHANNEL",
    "Backlog",
    "FailedItem",
    "Lane",
    "Lease",
    "NewItem",
    "backlog",
    "cancel",
    "claim",
    "converge_schema",
    "failed_since",
    "holds",
    "leases_by_worker",
    "prepare",
    "put",
    "put_unless_queued",
    "settle",
    "sites_with_work",
]
