"""The agent's whole behaviour as one pure machine: events in, commands out, in the order they must be carried out.

No socket, clock, disk or process: the runtime owns those. What must be durable before something is said or started
is a `Keep…` command that stands before it in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from watchbill_agent import events as e
from watchbill_agent.backoff import Backoff
from watchbill_agent.desired import DesiredState
from watchbill_agent.entries import Entry, cancel_outcome, is_anyone_waiting, names, wire_state
from watchbill_agent.transfer import Transfer
from watchbill_agent.verify import Refusal, check
from watchbill_wire import (
    MAX_IN_FLIGHT_BYTES,
    Accepted,
    AgentMessage,
    Answer,
    Bye,
    Cancel,
    CancelAnswer,
    Delivery,
    Desired,
    EngineKey,
    Execute,
    Heartbeat,
    Hello,
    OutputAck,
    RefusalReason,
    Result,
    ResultAck,
    Sessions,
    SignedIn,
    Started,
    Welcome,
    execution_id_of,
)

STALL_SECONDS = 30.0
KEY_REFRESH_SECONDS = 60.0
TRIES_AT_ONE_GATEWAY = 2
FIRST_HEARTBEAT_SECONDS = 10.0
SILENT_HEARTBEATS = 3
KEEP_KEYS_FOR = timedelta(days=7)
MAX_WAITING_FOR_KEYS = 100
MAX_GREETED = 8000  # what one hello frame holds; the rest is told by results


class Session:
    def __init__(
        self,
        *,
        device_id: str,
        agent_version: str,
        boot_id: str,
        keys: tuple[EngineKey, ...],
        max_parallel: int,
        random: Callable[[], float],
        desired_at: datetime | None = None,
    ) -> None:
        self._device_id = device_id
        self._agent_version = agent_version
        self._boot_id = boot_id
        self._keys = {key.key_id: key.public_key for key in keys}
        self._max_parallel = max_parallel
        self._backoff = Backoff(random)
        self._entries: dict[str, Entry] = {}
        self._waiting_for_keys: list[e.Received] = []
        self._keys_asked_at: float | None = None
        self._inventory_digest: str | None = None
        self._their_digest: str | None = None
        self._sessions: tuple[SignedIn, ...] | None = None
        self._told_sessions: tuple[SignedIn, ...] | None = None
        self._desired = DesiredState(device_id, desired_at)
        self._server_time: datetime | None = None
        self._server_time_at = 0.0
        self._is_connected = False
        self._is_welcome = False
        self._heartbeat = FIRST_HEARTBEAT_SECONDS
        self._next_heartbeat = 0.0
        self._last_heard = 0.0
        self._last_progress = 0.0
        self._bye_after: float | None = None
        self._now = 0.0
        self._out: list[e.Command] = []

    # -- the face ----------------------------------------------------------------------------------------------------

    def handle(self, event: e.Event, now: float) -> list[e.Command]:
        self._now = now
        self._out = []
        self._dispatch(event)
        self._start_what_may()
        self._send_what_may()
        return self._out

    def engine_time(self, now: float) -> datetime | None:
        """The Engine's clock, carried on by the monotonic one; None until it was heard once."""
        if self._server_time is None:
            return None
        return self._server_time + timedelta(seconds=now - self._server_time_at)

    def next_moment(self) -> float | None:
        if not self._is_connected:
            return None
        moments = [self._next_heartbeat, self._silent_at()]
        if self._owes_anything():
            moments.append(self._last_progress + STALL_SECONDS)
        return min(moments)

    def knows(self, execution_id: str) -> bool:
        return execution_id in self._entries

    # -- events ------------------------------------------------------------------------------------------------------

    def _dispatch(self, event: e.Event) -> None:
        if isinstance(event, e.Received):
            self._last_heard = self._now
            self._on_message(event)
        elif isinstance(event, (e.ChildStarted, e.ChildRefused, e.ChildEnded, e.OutputGrew)):
            self._on_child(event)
        elif isinstance(event, (e.FilesReady, e.FilesFailed)):
            self._on_files(event)
        elif isinstance(event, e.Loaded):
            self._on_loaded(event)
        elif isinstance(event, e.Connected):
            self._on_connected()
        elif isinstance(event, e.Disconnected):
            self._on_disconnected(event)
        elif isinstance(event, e.KeysLearned):
            self._on_keys(event)
        else:
            self._on_signal(event)

    def _on_signal(self, event: e.Ponged | e.Ticked | e.InventoryChanged | e.SessionsChanged | e.StateLookedAt) -> None:
        if isinstance(event, e.StateLookedAt):
            self._desired.is_now(event.reported)
            self._tell_news()
        elif isinstance(event, e.Ponged):
            self._last_heard = self._now
        elif isinstance(event, e.Ticked):
            self._on_tick()
        elif isinstance(event, e.SessionsChanged):
            self._sessions = event.sessions
            self._tell_news()
        else:
            self._inventory_digest = event.digest
            self._offer_inventory()

    def _on_loaded(self, event: e.Loaded) -> None:
        for stored in event.deliveries:
            entry = Entry(stored.execution_id, stored.state, stored.payload, stored.started_at, stored.result)
            entry.streams["stdout"] = Transfer(stored.stdout, stored.stdout_acked, stored.stdout_acked)
            entry.streams["stderr"] = Transfer(stored.stderr, stored.stderr_acked, stored.stderr_acked)
            self._entries[stored.execution_id] = entry

    def _on_connected(self) -> None:
        self._is_connected = True
        self._is_welcome = False
        self._bye_after = None
        self._last_heard = self._last_progress = self._now
        self._heartbeat = FIRST_HEARTBEAT_SECONDS
        self._next_heartbeat = self._now + self._heartbeat
        oldest = list(self._entries.values())[:MAX_GREETED]
        deliveries = tuple(Delivery(entry.execution_id, wire_state(entry)) for entry in oldest)
        self._told_sessions = self._sessions
        self._desired.connected()
        self._say(Hello(self._agent_version, self._boot_id, deliveries, sessions=self._sessions, fetches_files=True))

    def _on_disconnected(self, event: e.Disconnected) -> None:
        self._is_connected = self._is_welcome = False
        self._waiting_for_keys = []
        for entry in self._entries.values():
            self._rewind(entry)
        wait = self._backoff.after(event.code, max(event.wait_seconds, self._bye_after or 0.0))
        # The token's answer also names a gateway: one that was tried twice in vain is asked for anew.
        needs_token = event.code in (4401, 4403) or self._backoff.failures >= TRIES_AT_ONE_GATEWAY
        self._out.append(e.Reconnect(wait, needs_token=needs_token))

    def _on_tick(self) -> None:
        if not self._is_connected:
            return
        if self._now >= self._silent_at():
            self._last_heard, self._next_heartbeat = self._now, self._now + self._heartbeat
            self._out.append(e.Close("nothing was heard for three heartbeats"))
            return
        if self._now >= self._next_heartbeat:
            self._next_heartbeat = self._now + self._heartbeat
            self._say(Heartbeat())
            self._out.append(e.Ping())
        if self._owes_anything() and self._now >= self._last_progress + STALL_SECONDS:
            self._last_progress = self._now
            for entry in self._entries.values():
                self._rewind(entry)

    def _on_keys(self, event: e.KeysLearned) -> None:
        self._keys = {key.key_id: key.public_key for key in event.keys}
        waiting, self._waiting_for_keys = self._waiting_for_keys, []
        for received in waiting:
            self._on_message(received)

    # -- messages ----------------------------------------------------------------------------------------------------

    def _on_message(self, received: e.Received) -> None:
        message = received.message
        if isinstance(message, Welcome):
            self._on_welcome(message)
        elif isinstance(message, Execute):
            self._on_execute(message, received)
        elif isinstance(message, Desired):
            self._on_desired(message, received)
        elif isinstance(message, Cancel):
            self._on_cancel(message, received.remembered)
        elif isinstance(message, OutputAck):
            self._on_output_ack(message)
        elif isinstance(message, ResultAck):
            self._on_result_ack(message)
        elif isinstance(message, Bye):
            self._bye_after = message.reconnect_after_seconds
        # Pieces of files go to who gathers them; of a type that a newer Engine has, the runtime has made a note.

    def _on_welcome(self, welcome: Welcome) -> None:
        self._is_welcome = True
        self._backoff.succeeded()
        self._server_time, self._server_time_at = welcome.server_time, self._now
        self._heartbeat = welcome.heartbeat_seconds
        self._next_heartbeat = self._now + self._heartbeat
        self._their_digest = welcome.inventory_digest
        if any(self._keys.get(key.key_id) != key.public_key for key in welcome.engine_keys):
            self._ask_for_keys()
        for entry in self._entries.values():
            self._report(entry)
        self._offer_inventory()
        self._tell_news()
        self._out.append(e.Purge(welcome.server_time - KEEP_KEYS_FOR))

    def _on_execute(self, order: Execute, received: e.Received) -> None:
        execution_id = execution_id_of(order.payload)
        if execution_id is None or not self._is_welcome:
            return
        if execution_id in self._entries:
            self._report(self._entries[execution_id])
        elif received.remembered is not None:
            self._answer_from_memory(received.remembered)
        elif not self._waits_for_keys(order.key_id, received):
            self._judge(order, execution_id)

    def _on_desired(self, desired: Desired, received: e.Received) -> None:
        if self._is_welcome and not self._waits_for_keys(desired.key_id, received):
            self._out += self._desired.heard(desired, self._keys, self._engine_now())

    def _waits_for_keys(self, key_id: str, received: e.Received) -> bool:
        is_waiting = key_id not in self._keys and self._ask_for_keys()
        if is_waiting and len(self._waiting_for_keys) < MAX_WAITING_FOR_KEYS:
            self._waiting_for_keys.append(received)
        return is_waiting

    def _answer_from_memory(self, stored: e.Stored) -> None:
        if stored.state == "withdrawn":
            self._refuse(stored.execution_id, Refusal("cancelled", "cancelled before it arrived"))
        elif stored.result is not None:
            self._say(stored.result)

    def _judge(self, order: Execute, execution_id: str) -> None:
        verdict = check(order, keys=self._keys, device_id=self._device_id, now=self._engine_now())
        if isinstance(verdict, Refusal):
            self._refuse(execution_id, verdict)
            return
        entry = Entry(verdict.execution_id, "accepted", verdict)
        self._entries[entry.execution_id] = entry
        # A free slot saves a second write to the disk: the order is kept as already starting.
        has_place = self._busy() < self._max_parallel and not is_anyone_waiting(self._entries.values(), entry)
        is_starting = has_place and not verdict.files
        self._out.append(e.KeepOrder(verdict, order.payload, is_starting))
        self._say(Accepted(entry.execution_id))
        if is_starting:
            self._spawn(entry)

    def _refuse(self, execution_id: str, refusal: Refusal) -> None:
        result = self._never_started(execution_id, refusal.reason, refusal.detail)
        if refusal.is_proven:
            self._finish(Entry(execution_id, "accepted"), result)
        else:
            self._say(result)

    def _on_cancel(self, cancel: Cancel, remembered: e.Stored | None) -> None:
        entry = self._entries.get(cancel.execution_id)
        if entry is not None:
            self._cancel_known(entry, cancel.grace_seconds)
        elif remembered is None:
            self._waiting_for_keys = [
                waiting for waiting in self._waiting_for_keys if not names(waiting, cancel.execution_id)
            ]
            self._out.append(e.KeepWithdrawn(cancel.execution_id))
            self._answer(cancel.execution_id, "not_known")
        else:
            self._answer(cancel.execution_id, "not_known" if remembered.state == "withdrawn" else "already_done")

    def _cancel_known(self, entry: Entry, grace_seconds: float) -> None:
        if entry.state == "finished":
            self._answer(entry.execution_id, "already_done")
        elif entry.state == "accepted":
            self._answer(entry.execution_id, "killed", "withdrawn before it began")
            self._finish(entry, self._never_started(entry.execution_id, "cancelled", "cancelled before it began"))
        else:
            entry.is_cancel_asked = True
            self._out.append(e.Kill(entry.execution_id, grace_seconds))

    def _on_output_ack(self, ack: OutputAck) -> None:
        entry = self._entries.get(ack.execution_id)
        if entry is not None and entry.streams[ack.stream].mark_acked(ack.offset):
            self._last_progress = self._now
            self._out.append(e.KeepAcked(ack.execution_id, ack.stream, ack.offset))

    def _on_result_ack(self, ack: ResultAck) -> None:
        entry = self._entries.get(ack.execution_id)
        if entry is not None and entry.state == "finished":
            self._last_progress = self._now
            del self._entries[ack.execution_id]
            self._out.append(e.Settle(ack.execution_id, self._engine_now()))

    # -- children ----------------------------------------------------------------------------------------------------

    def _on_files(self, event: e.FilesReady | e.FilesFailed) -> None:
        entry = self._entries.get(event.execution_id)
        if entry is None or entry.state != "accepted" or not entry.wants_files:
            return
        if isinstance(event, e.FilesReady):
            entry.has_files = True
        else:
            self._finish(entry, self._never_started(event.execution_id, event.reason, event.detail))

    def _on_child(self, event: e.ChildStarted | e.ChildRefused | e.ChildEnded | e.OutputGrew) -> None:
        name = event.result.execution_id if isinstance(event, e.ChildEnded) else event.execution_id
        entry = self._entries.get(name)
        if entry is None or not entry.is_busy:
            return
        if isinstance(event, e.OutputGrew):
            entry.streams[event.stream].grow(event.head)
        elif isinstance(event, e.ChildStarted):
            self._on_started(entry, event.started_at)
        elif isinstance(event, e.ChildRefused):
            self._finish(entry, Result(name, "refused", event.at, reason=event.reason, detail=event.detail))
        else:
            self._on_ended(entry, event)

    def _on_started(self, entry: Entry, started_at: datetime) -> None:
        if entry.state == "starting":
            entry.state, entry.started_at = "running", started_at
            self._out.append(e.KeepStarted(entry.execution_id, started_at))
            self._say(Started(entry.execution_id, started_at))

    def _on_ended(self, entry: Entry, event: e.ChildEnded) -> None:
        entry.streams["stdout"].kept, entry.streams["stderr"].kept = event.stdout, event.stderr
        self._finish(entry, event.result, event.stdout, event.stderr)

    def _finish(
        self, entry: Entry, result: Result, stdout: e.Kept = e.NOTHING_KEPT, stderr: e.Kept = e.NOTHING_KEPT
    ) -> None:
        self._entries[entry.execution_id] = entry
        if entry.payload is not None and entry.payload.files:
            self._out.append(e.DropFiles(entry.execution_id))
        entry.state, entry.result, entry.payload = "finished", result, None
        entry.is_result_sent = False
        self._out.append(e.KeepResult(result, stdout, stderr))
        if entry.is_cancel_asked:
            self._answer(entry.execution_id, *cancel_outcome(result))

    # -- what follows from the state ---------------------------------------------------------------------------------

    def _start_what_may(self) -> None:
        if self._server_time is None:
            return  # nobody can say yet whether what was accepted is still in time
        waiting = [entry for entry in self._entries.values() if entry.state == "accepted"]
        for entry in waiting:
            self._gather(entry)
        for entry in waiting:
            if entry.wants_files:
                continue  # who gathers them keeps its bounds
            if self._busy() >= self._max_parallel:
                return
            if entry.payload is None:
                lost = "the stored order can no longer be read"
                self._finish(entry, self._never_started(entry.execution_id, "bad_envelope", lost))
            elif self._engine_now() > entry.payload.start_by:
                late = "its time to start passed while it waited its turn"
                self._finish(entry, self._never_started(entry.execution_id, "expired", late))
            else:
                self._out.append(e.KeepStarting(entry.execution_id))
                self._spawn(entry)

    def _gather(self, entry: Entry) -> None:
        """As soon as it is accepted: files come while others run. What was gathered before a restart is looked for again."""
        if entry.wants_files and not entry.is_gathering and entry.payload is not None:
            entry.is_gathering = True
            self._out.append(e.Gather(entry.payload))

    def _spawn(self, entry: Entry) -> None:
        if entry.payload is not None:
            entry.state = "starting"
            self._out.append(e.Spawn(entry.payload))

    def _send_what_may(self) -> None:
        """One chunk of every stream in turn, while the Engine has stored enough; a result follows its output."""
        if not self._is_welcome:
            return
        room = MAX_IN_FLIGHT_BYTES - sum(
            transfer.in_flight for entry in self._entries.values() for transfer in entry.streams.values()
        )
        is_moving = True
        while is_moving and room > 0:
            is_moving = False
            for entry in self._entries.values():
                for stream, transfer in entry.streams.items():
                    chunk = transfer.next_chunk(room)
                    if chunk is not None:
                        self._out.append(e.SendOutput(entry.execution_id, stream, *chunk))
                        self._note_sent()
                        transfer.mark_sent(chunk[1])
                        room -= chunk[1]
                        is_moving = True
        for entry in self._entries.values():
            if entry.result and not entry.is_result_sent and all(t.is_sent for t in entry.streams.values()):
                self._note_sent()
                entry.is_result_sent = True
                self._say(entry.result)

    def _note_sent(self) -> None:
        if not self._owes_anything():
            self._last_progress = self._now

    def _owes_anything(self) -> bool:
        """Something was sent that the Engine has not stored yet."""
        return any(
            entry.is_result_sent or any(transfer.in_flight for transfer in entry.streams.values())
            for entry in self._entries.values()
        )

    def _rewind(self, entry: Entry) -> None:
        entry.is_result_sent = False
        for transfer in entry.streams.values():
            transfer.rewind()

    def _report(self, entry: Entry) -> None:
        """Say again where a delivery stands; a finished one is said again by sending its result."""
        if entry.state in ("accepted", "starting"):
            self._say(Accepted(entry.execution_id))
        elif entry.state == "running" and entry.started_at is not None:
            self._say(Started(entry.execution_id, entry.started_at))
        else:
            entry.is_result_sent = False

    def _offer_inventory(self) -> None:
        if self._is_welcome and self._inventory_digest and self._inventory_digest != self._their_digest:
            self._their_digest = self._inventory_digest
            self._out.append(e.SendInventory())

    def _tell_news(self) -> None:
        if self._is_welcome and self._sessions is not None and self._sessions != self._told_sessions:
            self._told_sessions = self._sessions
            self._say(Sessions(self._sessions))
        if self._is_welcome and (news := self._desired.news()) is not None:
            self._say(news)

    def _ask_for_keys(self) -> bool:
        """True when fresh keys are on their way. The socket's own word is not enough to trust a key."""
        if self._keys_asked_at is not None and self._now - self._keys_asked_at < KEY_REFRESH_SECONDS:
            return bool(self._waiting_for_keys)
        self._keys_asked_at = self._now
        self._out.append(e.RefreshKeys())
        return True

    # -- small things ------------------------------------------------------------------------------------------------

    def _say(self, message: AgentMessage) -> None:
        if self._is_connected and (self._is_welcome or isinstance(message, (Hello, Heartbeat))):
            self._out.append(e.Send(message))

    def _answer(self, execution_id: str, answer: Answer, detail: str | None = None) -> None:
        self._say(CancelAnswer(execution_id, answer, detail))

    def _never_started(self, execution_id: str, reason: RefusalReason, detail: str) -> Result:
        return Result(execution_id, "refused", self._engine_now(), reason=reason, detail=detail)

    def _engine_now(self) -> datetime:
        now = self.engine_time(self._now)
        if now is None:
            raise RuntimeError("the Engine's time is asked for before it was heard")
        return now

    def _busy(self) -> int:
        return sum(entry.is_busy for entry in self._entries.values())

    def _silent_at(self) -> float:
        return self._last_heard + SILENT_HEARTBEATS * self._heartbeat
