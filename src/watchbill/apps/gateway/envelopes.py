"""Signed orders: what a delivery says, byte for byte the same for every repeat but its time of issue.

Scripts come from immutable revisions and are kept in memory; secret variables are opened here and go nowhere but into the order.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

import watchbill_wire as wire
from watchbill import agents, assemblies, jobs, runs
from watchbill.apps.wiring import Engine
from watchbill.kit.clock import rfc3339
from watchbill.runs import Delivery, RunContent

#: Entries kept; the oldest go first.
_CACHE = 512


class TooLargeError(Exception):
    """The order does not fit into one frame."""


class Envelopes:
    """Makes orders for one gateway."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._signer: agents.Signer | None = None
        self._runs: dict[int, RunContent] = {}
        self._scripts: dict[tuple[uuid.UUID, int], assemblies.Revision] = {}

    async def prepare(self, tx: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
        """Load what these deliveries need, in a few statements whatever their number; to be called before `order`."""
        if self._signer is None:
            self._signer = await agents.load_signer(tx, self._engine.keys)
        _trim(self._runs)
        _trim(self._scripts)
        unknown = {delivery.run_id for delivery in deliveries} - self._runs.keys()
        if unknown:
            self._runs.update(await runs.contents(tx, sorted(unknown)))
        wanted = {
            _revision(self._runs[delivery.run_id].components[delivery.component]) for delivery in deliveries
        } - self._scripts.keys()
        if wanted:
            self._scripts.update(await assemblies.load_revisions(tx, sorted(wanted)))

    def order(self, delivery: Delivery, now: datetime) -> str:
        """The `execute` message of a prepared delivery. Raises TooLargeError."""
        content = self._runs[delivery.run_id]
        part = content.components[delivery.component]
        return self._signed(self._payload(delivery, content, part, now).to_text())

    def _payload(
        self, delivery: Delivery, content: RunContent, part: Mapping[str, Any], now: datetime
    ) -> wire.EnvelopePayload:
        script = self._scripts[_revision(part)].draft
        settings = self._engine.settings
        return wire.EnvelopePayload(
            execution_id=str(delivery.execution_id),
            device_id=str(delivery.device_id),
            issued_at=now,
            start_by=delivery.start_by_at,
            context=content.execution_context,
            interpreter=script.interpreter.value,
            content=script.content,
            content_sha256=wire.content_digest(script.content),
            variables=jobs.environment(self._engine.keys, content.job_id, part["position"], part["variables"], script),
            time_limit_seconds=delivery.time_limit_seconds or content.time_limit_seconds,
            kill_grace_seconds=runs.KILL_GRACE.total_seconds(),
            head_bytes=settings.output_head_bytes,
            tail_bytes=settings.output_tail_bytes,
            labels=_labels(delivery, content),
            session_id=delivery.session_id,
            session_user=delivery.session_user,
        )

    def _signed(self, payload: str) -> str:
        assert self._signer is not None
        signature = self._signer.sign(wire.envelope_signing_bytes(payload))
        text = wire.encode(wire.Execute(self._signer.key_id, payload, signature))
        if len(text.encode()) > wire.MAX_FRAME_BYTES:
            raise TooLargeError
        return text


def _labels(delivery: Delivery, content: RunContent) -> dict[str, str]:
    """What the script may know of its place: it reads them as `WATCHBILL_…`."""
    labels = {
        "job_id": str(delivery.job_id),
        "occurrence_id": str(delivery.occurrence_id),
        "run_id": str(delivery.run_id),
        "target_id": str(delivery.target_id),
        "component": str(delivery.component),
        "attempt": str(delivery.attempt),
        "scheduled_for": rfc3339(content.scheduled_for_at),
    }
    if content.local_time is not None:
        labels["local_time"] = content.local_time.isoformat()
    return labels


def _revision(part: Mapping[str, Any]) -> tuple[uuid.UUID, int]:
    return uuid.UUID(part["assembly_id"]), part["revision"]


def _trim(cache: dict[Any, Any]) -> None:
    for key in list(cache)[: max(len(cache) - _CACHE, 0)]:
        del cache[key]
