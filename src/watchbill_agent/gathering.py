"""Gets the files of an order ready before its script may start: from this disk, or from the gateway piece by piece.

It asks for one piece at a time over the connection that the agent has, and goes on where it was after a lost one. What comes of it becomes
an event for the session. Nothing here starts anything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from watchbill_agent import clock
from watchbill_agent import events as e
from watchbill_agent.filecache import DroppedError, FileCache
from watchbill_wire import EnvelopePayload, Fetch, FileOf, NoFile, Piece, RefusalReason

# A question without an answer for so long is asked again.
STALL_SECONDS = 30.0
# Once more from the beginning: what was resumed may have been half written when the agent before died.
TRIES = 2


class UnobtainableError(Exception):
    """A file cannot be had, or is not the one that was signed."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: RefusalReason = reason


class Gatherer:
    def __init__(
        self,
        cache: FileCache,
        send: Callable[[Fetch], None],
        emit: Callable[[e.Event], None],
        time_at: Callable[[float], datetime],
    ) -> None:
        self._cache = cache
        self._send = send
        self._emit = emit
        self._time_at = time_at
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[str, EnvelopePayload] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._contents: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turn = asyncio.Lock()
        self._connected = asyncio.Event()
        self._asked: Fetch | None = None
        self._answer: asyncio.Future[Piece | NoFile | None] | None = None

    # -- asked for by the session ------------------------------------------------------------------------------------

    def gather(self, payload: EnvelopePayload) -> None:
        name = payload.execution_id
        self._wanted[name] = payload
        task = self._loop.create_task(self._gather(payload))
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._on_done(name, done))

    def drop(self, execution_id: str) -> None:
        """Nothing of it is wanted any more."""
        self._wanted.pop(execution_id, None)
        task = self._tasks.get(execution_id)
        if task is not None:
            task.cancel()
        else:
            self._loop.run_in_executor(None, self._cache.unstage, execution_id)

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _on_done(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if name not in self._wanted and not self._loop.is_closed():
            self._loop.run_in_executor(None, self._cache.unstage, name)
        self._wanted.pop(name, None)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "files", "exception": task.exception()})

    # -- told by the connection --------------------------------------------------------------------------------------

    def connected(self) -> None:
        self._connected.set()

    def disconnected(self) -> None:
        self._connected.clear()
        self._resolve(None)

    def heard(self, answer: Piece | NoFile) -> None:
        asked = self._asked
        if asked is None or (answer.execution_id, answer.sha256) != (asked.execution_id, asked.sha256):
            return
        if isinstance(answer, NoFile) or answer.offset == asked.offset:
            self._resolve(answer)

    def _resolve(self, answer: Piece | NoFile | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    # -- the work ----------------------------------------------------------------------------------------------------

    async def _gather(self, payload: EnvelopePayload) -> None:
        """Its bound is its own: the signed one, and the moment after which the script may not begin."""
        name, began = payload.execution_id, clock.monotonic()
        late = (payload.start_by - self._time_at(began)).total_seconds()
        most = payload.fetch_seconds or 0.0
        try:
            await asyncio.wait_for(self._collect(payload), max(0.0, min(most, late)))
        except asyncio.TimeoutError:
            if late < most:
                self._fail(name, "expired", "its time to start passed while its files were fetched")
            else:
                self._fail(name, "file_unavailable", f"its files did not come within {most:.0f} seconds")
        except UnobtainableError as error:
            self._fail(name, error.reason, str(error))
        except OSError as error:
            self._fail(name, "file_unavailable", f"its files cannot be kept on this device: {error.strerror or error}")
        else:
            self._emit(e.FilesReady(name))

    def _fail(self, name: str, reason: RefusalReason, detail: str) -> None:
        self._emit(e.FilesFailed(name, reason, detail))

    async def _collect(self, payload: EnvelopePayload) -> None:
        for file in payload.files:
            # A second that wants the same content waits for the first, and finds it here.
            async with self._contents[file.sha256]:
                await self._prepare(payload.execution_id, file)
        self._trim(0, besides=payload.execution_id)

    async def _prepare(self, name: str, file: FileOf) -> None:
        for _ in range(TRIES):
            if not self._cache.has(file):
                await self._fetch(name, file)
            if await self._stage(name, file):
                return
        raise UnobtainableError("content_mismatch", f"the file {file.name} does not have the hash that was signed")

    async def _stage(self, name: str, file: FileOf) -> bool:
        """Shielded: whoever is dropped in the middle still waits for the copy to stop, so that it can be removed."""
        copying = self._loop.run_in_executor(None, self._cache.stage, name, file, lambda: name in self._wanted)
        try:
            return await asyncio.shield(copying)
        except asyncio.CancelledError:
            self._wanted.pop(name, None)
            await asyncio.wait([copying])
            raise
        except DroppedError:
            raise asyncio.CancelledError from None

    async def _fetch(self, name: str, file: FileOf) -> None:
        self._trim(file.size)
        reached = self._cache.reached(file)
        if file.size == 0:
            self._cache.append(file, 0, b"")
        while reached < file.size:
            data = await self._piece(Fetch(name, file.sha256, reached))
            if not data or reached + len(data) > file.size:
                self._cache.drop(file)
                raise UnobtainableError(
                    "content_mismatch", f"the file {file.name} does not have the size that was signed"
                )
            self._cache.append(file, reached, data)
            reached += len(data)
        self._cache.complete(file)

    def _trim(self, bytes_wanted: int, *, besides: str = "") -> None:
        """What somebody still gathers stays, also beyond the limit; `besides` has its copies."""
        in_use = {file.sha256 for name, one in self._wanted.items() for file in one.files if name != besides}
        self._cache.make_room(bytes_wanted, kept=in_use)

    async def _piece(self, fetch: Fetch) -> bytes:
        async with self._turn:
            while True:
                await self._connected.wait()
                self._asked, self._answer = fetch, self._loop.create_future()
                self._send(fetch)
                try:
                    answer = await asyncio.wait_for(self._answer, STALL_SECONDS)
                except asyncio.TimeoutError:
                    continue
                finally:
                    self._asked = None
                if isinstance(answer, NoFile):
                    raise UnobtainableError("file_unavailable", answer.detail)
                if answer is not None:
                    return answer.data
