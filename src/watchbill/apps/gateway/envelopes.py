"""Signed orders: what a delivery says, the same for every repeat but for its time of issue and values that were set anew meanwhile.

Scripts come from immutable revisions and are kept in memory; secret variables are opened here and sealed for the device at once.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

import watchbill_wire as wire
from watchbill import agents, assemblies, runs
from watchbill.apps.gateway.giving import NO_FILES, NotReadyError, Package, names_of, pack
from watchbill.apps.wiring import Engine
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.kit.clock import rfc3339
from watchbill.runs import Delivery, RunContent
from watchbill.variables import Giver

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
        self._packages: dict[uuid.UUID, Package | NotReadyError] = {}

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
        await self._pack(tx, deliveries)

    async def _pack(self, tx: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
        """Look up what these deliveries give, and note which values those are."""
        drafts = {one.execution_id: self._scripts[_revision(self._part(one))].draft for one in deliveries}
        devices = {one.device_id for one in deliveries if drafts[one.execution_id].variables}
        giver = await Giver.load(tx, self._engine.keys, devices, names_of(drafts.values()))
        self._packages = {}  # what a failed transaction left is not sent
        used = {}
        for one in deliveries:
            self._packages[one.execution_id] = packed = self._packed(giver, one, drafts[one.execution_id])
            if isinstance(packed, Package):
                used[one.run_id, one.execution_id] = packed.used
        await runs.note_given(tx, used)
        await runs.allow_fetching(tx, [one for one, draft in drafts.items() if draft.files])

    def _packed(self, giver: Giver, delivery: Delivery, declared: AssemblyDraft) -> Package | NotReadyError:
        content = self._runs[delivery.run_id]
        try:
            return pack(self._engine.keys, giver, delivery, content, self._part(delivery), declared)
        except NotReadyError as error:
            return error

    def _part(self, delivery: Delivery) -> Mapping[str, Any]:
        return self._runs[delivery.run_id].components[delivery.component]

    def order(self, delivery: Delivery, now: datetime, *, can_fetch: bool) -> str:
        """The `execute` message of a prepared delivery, once. Raises TooLargeError and NotReadyError.

        `can_fetch`: whether the device fetches files. One that does not never runs a script without the files that it has.
        """
        packed = self._packages.pop(delivery.execution_id)
        if isinstance(packed, NotReadyError):
            raise packed
        if not can_fetch and self._scripts[_revision(self._part(delivery))].draft.files:
            raise NotReadyError(NO_FILES)
        return self._signed(self._payload(delivery, packed, now).to_text())

    def _payload(self, delivery: Delivery, package: Package, now: datetime) -> wire.EnvelopePayload:
        content = self._runs[delivery.run_id]
        script = self._scripts[_revision(self._part(delivery))].draft
        assert script.interpreter is not None  # agents are sent scripts alone
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
            variables=package.plain,
            sealed=package.sealed,
            time_limit_seconds=delivery.time_limit_seconds or content.time_limit_seconds,
            kill_grace_seconds=runs.KILL_GRACE.total_seconds(),
            head_bytes=settings.output_head_bytes,
            tail_bytes=settings.output_tail_bytes,
            labels=_labels(delivery, content),
            session_id=delivery.session_id,
            session_user=delivery.session_user,
            **_files(script),
        )

    def _signed(self, payload: str) -> str:
        assert self._signer is not None
        signature = self._signer.sign(wire.envelope_signing_bytes(payload))
        text = wire.encode(wire.Execute(self._signer.key_id, payload, signature))
        if len(text.encode()) > wire.MAX_FRAME_BYTES:
            raise TooLargeError
        return text


def _files(script: AssemblyDraft) -> dict[str, Any]:
    """What an order says of files; one without any is as agents before them know it."""
    if not script.files:
        return {}
    files = tuple(wire.FileOf(one.name, one.size, one.sha256) for one in script.files)
    return {"v": 2, "files": files, "fetch_seconds": runs.FETCH_LIMIT.total_seconds()}


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
