"""Work items and their leases. The only package that knows PgQueuer.

The queue entry is a doorbell and a lease; the truth (state, term, attempt) is the `work_items` row, and every write of a worker
names the term it was given.
"""

from watchbill.queue.pgqueuer_schema import converge_schema

__all__ = ["converge_schema"]
