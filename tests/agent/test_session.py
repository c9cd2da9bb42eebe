"""Playbooks of the pure session: this is heard, exactly that is asked for, in this order."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_wire as w
from watchbill_agent import events as e
from watchbill_agent.session import STALL_SECONDS, Session

KEY = Ed25519PrivateKey.generate()
ENGINE_KEY = w.EngineKey("k1", KEY.public_key().public_bytes_raw())
DEVICE = "0190a0b1-0000-7000-8000-0000000000d1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def name_of(number: int) -> str:
    return f"0190a0b1-0000-7000-8000-{number:012d}"


def payload(number: int = 1, **changes) -> w.EnvelopePayload:
    values = {
        "execution_id": name_of(number),
        "device_id": DEVICE,
        "issued_at": NOON,
        "start_by": NOON + timedelta(minutes=5),
        "interpreter": "bash",
        "content": "true",
        "content_sha256": w.content_digest("true"),
        "time_limit_seconds": 60.0,
        "kill_grace_seconds": 5.0,
        "head_bytes": 1000,
        "tail_bytes": 1000,
    }
    return w.EnvelopePayload(**{**values, **changes})


def order(one: w.EnvelopePayload, key: Ed25519PrivateKey = KEY, key_id: str = "k1") -> w.Execute:
    text = one.to_text()
    return w.Execute(key_id, text, key.sign(w.envelope_signing_bytes(text)))


def result(number: int = 1, **changes) -> w.Result:
    return w.Result(
        **{"execution_id": name_of(number), "outcome": "exited", "finished_at": NOON, "exit_code": 0, **changes}
    )


class Playbook:
    """`hear` an event, then `expect` exactly these commands; what is said to a gateway may be written as the message."""

    def __init__(self, max_parallel: int = 8, *, random: float = 0.5) -> None:
        self.session = Session(
            device_id=DEVICE,
            agent_version="1",
            boot_id="boot",
            keys=(ENGINE_KEY,),
            max_parallel=max_parallel,
            random=lambda: random,
        )
        self.now = 1000.0
        self.commands: Sequence[e.Command] = []

    def hear(
        self, what: e.Event | w.EngineMessage, remembered: e.Stored | None = None, after: float = 0.0
    ) -> "Playbook":
        self.now += after
        is_said = isinstance(what, get_args(w.EngineMessage))
        event = e.Received(cast(w.EngineMessage, what), remembered) if is_said else cast(e.Event, what)
        self.commands = self.session.handle(event, self.now)
        return self

    def expect(self, *wanted: object) -> "Playbook":
        seen = [command.message if isinstance(command, e.Send) else command for command in self.commands]
        assert seen == list(wanted)
        return self

    def welcomed(self, *deliveries: e.Stored, **changes) -> "Playbook":
        self.hear(e.Loaded(deliveries)).hear(e.Connected())
        return self.hear(
            w.Welcome(**{"server_time": NOON, "heartbeat_seconds": 10.0, "engine_keys": (ENGINE_KEY,), **changes})
        )


PURGE = e.Purge(NOON - timedelta(days=7))


def running(number: int = 1) -> Playbook:
    book = Playbook().welcomed()
    book.hear(order(payload(number)))
    return book.hear(e.ChildStarted(name_of(number), NOON))


def test_the_first_word_is_hello_and_nothing_else_is_said_before_the_welcome():
    book = Playbook()
    book.hear(e.Loaded((e.Stored(name_of(1), "finished", result=result()),))).expect()
    book.hear(e.Connected()).expect(w.Hello("1", "boot", (w.Delivery(name_of(1), "finished"),), fetches_files=True))
    book.hear(e.InventoryChanged("d1")).expect()
    book.hear(w.Welcome(NOON, 10.0, None, (ENGINE_KEY,))).expect(e.SendInventory(), PURGE, result())


def test_an_order_is_written_down_before_it_is_accepted_and_accepted_before_it_starts():
    one = payload()
    book = Playbook().welcomed()
    book.hear(order(one)).expect(
        e.KeepOrder(one, one.to_text(), is_starting=True), w.Accepted(name_of(1)), e.Spawn(one)
    )
    book.hear(e.ChildStarted(name_of(1), NOON)).expect(e.KeepStarted(name_of(1), NOON), w.Started(name_of(1), NOON))


def test_a_result_is_written_down_before_it_is_said_and_follows_all_output():
    book = running()
    ended = result(stdout_bytes=5)
    book.hear(e.ChildEnded(ended, e.Kept(5, 5, 5), e.Kept())).expect(
        e.KeepResult(ended, e.Kept(5, 5, 5), e.Kept()), e.SendOutput(name_of(1), "stdout", 0, 5), ended
    )
    book.hear(w.OutputAck(name_of(1), "stdout", 5)).expect(e.KeepAcked(name_of(1), "stdout", 5))
    book.hear(w.ResultAck(name_of(1))).expect(e.Settle(name_of(1), NOON))
    book.hear(w.ResultAck(name_of(1))).expect()


def test_beyond_the_limit_the_next_order_waits_and_starts_when_a_place_is_free():
    book = Playbook(max_parallel=1).welcomed()
    second = payload(2)
    book.hear(order(payload(1)))
    book.hear(order(second)).expect(e.KeepOrder(second, second.to_text(), is_starting=False), w.Accepted(name_of(2)))
    ended = result(1)
    book.hear(e.ChildEnded(ended, e.Kept(), e.Kept())).expect(
        e.KeepResult(ended, e.Kept(), e.Kept()), e.KeepStarting(name_of(2)), e.Spawn(second), ended
    )


def test_an_order_that_waited_past_its_time_is_refused_instead_of_started():
    book = Playbook(max_parallel=1).welcomed()
    book.hear(order(payload(1)))
    book.hear(order(payload(2)))
    book.hear(e.ChildEnded(result(1), e.Kept(), e.Kept()), after=400)
    kept = [c.result for c in book.commands if isinstance(c, e.KeepResult)]
    assert [(r.execution_id, r.outcome, r.reason) for r in kept[1:]] == [(name_of(2), "refused", "expired")]
    assert not any(isinstance(c, e.Spawn) for c in book.commands)


def test_after_a_restart_nothing_starts_before_the_time_of_the_engine_is_known():
    one = payload()
    book = Playbook()
    book.hear(e.Loaded((e.Stored(name_of(1), "accepted", one),))).expect()
    book.hear(e.Connected()).expect(w.Hello("1", "boot", (w.Delivery(name_of(1), "accepted"),), fetches_files=True))
    book.hear(w.Welcome(NOON, 10.0, None, (ENGINE_KEY,))).expect(
        w.Accepted(name_of(1)), PURGE, e.KeepStarting(name_of(1)), e.Spawn(one)
    )


def test_a_repeat_of_a_running_order_says_started_again_and_starts_nothing():
    running().hear(order(payload())).expect(w.Started(name_of(1), NOON))


def test_a_repeat_of_a_settled_order_is_answered_from_memory():
    book = Playbook().welcomed()
    book.hear(order(payload()), remembered=e.Stored(name_of(1), "settled", result=result())).expect(result())


def test_a_forged_order_is_refused_without_being_remembered():
    book = Playbook().welcomed()
    book.hear(order(payload(), Ed25519PrivateKey.generate()))
    assert [type(c) for c in book.commands] == [e.Send]
    book.hear(order(payload()))
    assert [type(c) for c in book.commands] == [e.KeepOrder, e.Send, e.Spawn]


def test_an_order_of_an_unknown_key_waits_for_the_keys_of_the_api():
    other = Ed25519PrivateKey.generate()
    rotated = w.EngineKey("k2", other.public_key().public_bytes_raw())
    book = Playbook().welcomed()
    book.hear(order(payload(), other, "k2")).expect(e.RefreshKeys())
    book.hear(order(payload(2), other, "k2")).expect()
    book.hear(e.KeysLearned((rotated,)))
    assert [c.payload.execution_id for c in book.commands if isinstance(c, e.Spawn)] == [name_of(1), name_of(2)]


def test_a_key_that_only_the_socket_names_is_not_trusted():
    other = Ed25519PrivateKey.generate()
    planted = w.EngineKey("k2", other.public_key().public_bytes_raw())
    book = Playbook().welcomed(engine_keys=(ENGINE_KEY, planted))
    book.expect(e.RefreshKeys(), PURGE)
    book.hear(e.KeysLearned((ENGINE_KEY,)))
    book.hear(order(payload(), other, "k2"))
    said = [c.message for c in book.commands if isinstance(c, e.Send)]
    assert [(m.outcome, m.reason) for m in said if isinstance(m, w.Result)] == [("refused", "unknown_key")]


def test_cancel_of_a_waiting_order_ends_it_at_once():
    book = Playbook(max_parallel=1).welcomed()
    book.hear(order(payload(1)))
    book.hear(order(payload(2)))
    withdrawn = w.Result(name_of(2), "refused", NOON, reason="cancelled", detail="cancelled before it began")
    book.hear(w.Cancel(name_of(2), 3)).expect(
        w.CancelAnswer(name_of(2), "killed", "withdrawn before it began"), e.KeepResult(withdrawn), withdrawn
    )


def test_cancel_of_a_running_script_is_answered_when_its_tree_is_gone():
    book = running()
    book.hear(w.Cancel(name_of(1), 3.0)).expect(e.Kill(name_of(1), 3.0))
    ended = result(outcome="cancelled", exit_code=None, tree="stopped")
    book.hear(e.ChildEnded(ended, e.Kept(), e.Kept())).expect(
        e.KeepResult(ended, e.Kept(), e.Kept()), w.CancelAnswer(name_of(1), "killed"), ended
    )


def test_cancel_that_leaves_survivors_says_so():
    book = running().hear(w.Cancel(name_of(1), 3.0))
    book.hear(e.ChildEnded(result(outcome="cancelled", exit_code=None, tree="survived"), e.Kept(), e.Kept()))
    answers = [c.message for c in book.commands if isinstance(c, e.Send) and isinstance(c.message, w.CancelAnswer)]
    assert [a.answer for a in answers] == ["could_not"]


def test_cancel_that_came_too_late_says_already_done():
    book = running().hear(w.Cancel(name_of(1), 3.0))
    book.hear(e.ChildEnded(result(), e.Kept(), e.Kept()))
    assert w.CancelAnswer(name_of(1), "already_done") in [c.message for c in book.commands if isinstance(c, e.Send)]


def test_cancel_of_an_unknown_execution_is_remembered():
    book = Playbook().welcomed()
    book.hear(w.Cancel(name_of(9), 3.0)).expect(e.KeepWithdrawn(name_of(9)), w.CancelAnswer(name_of(9), "not_known"))
    book.hear(order(payload(9)), remembered=e.Stored(name_of(9), "withdrawn"))
    kept = [c.result for c in book.commands if isinstance(c, e.KeepResult)]
    assert [(r.outcome, r.reason) for r in kept] == [("refused", "cancelled")]


def test_heartbeats_come_at_the_interval_of_the_welcome_each_with_a_ping():
    book = Playbook().welcomed()
    assert book.session.next_moment() == book.now + 10
    book.hear(e.Ticked(), after=10).expect(w.Heartbeat(), e.Ping())
    book.hear(e.Ponged(), after=1).expect()
    book.hear(e.Ticked(), after=9).expect(w.Heartbeat(), e.Ping())


def test_three_silent_heartbeats_close_the_connection():
    book = Playbook().welcomed()
    for _ in range(2):
        book.hear(e.Ticked(), after=10).expect(w.Heartbeat(), e.Ping())
    book.hear(e.Ticked(), after=10).expect(e.Close("nothing was heard for three heartbeats"))
    assert (book.session.next_moment() or 0) > book.now, "it is said once, not in a busy loop"


def test_reconnecting_backs_off_with_jitter_and_is_quick_the_first_time():
    book = Playbook(random=1.0)
    waits = []
    for _ in range(9):
        book.hear(e.Disconnected())
        waits += [c.after for c in book.commands if isinstance(c, e.Reconnect)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert Playbook(random=0.0).hear(e.Disconnected()).commands == [e.Reconnect(0.0, needs_token=False)]


def test_a_welcome_makes_the_next_retry_quick_again():
    book = Playbook(random=1.0)
    for _ in range(5):
        book.hear(e.Disconnected())
    book.welcomed().hear(e.Disconnected(1006)).expect(e.Reconnect(1.0, needs_token=False))


def test_close_codes_decide_how_long_to_stay_away_and_whether_the_token_is_spent():
    for code, least, most, needs_token in (
        (4401, 0, 1, True),
        (4403, 60, 300, True),
        (4409, 30, 120, False),
        (4429, 10, 60, False),
        (1012, 0.2, 5, False),
    ):
        for random, wanted in ((0.0, least), (1.0, most)):
            Playbook(random=random).hear(e.Disconnected(code)).expect(e.Reconnect(wanted, needs_token=needs_token))


def test_a_bye_says_how_long_to_stay_away_at_least():
    book = Playbook(random=0.0).welcomed()
    book.hear(w.Bye("restart", 7.0)).expect()
    book.hear(e.Disconnected(1012)).expect(e.Reconnect(7.0, needs_token=False))


def test_after_a_cut_output_goes_on_from_what_was_acknowledged():
    book = running()
    book.hear(e.OutputGrew(name_of(1), "stdout", 100)).expect(e.SendOutput(name_of(1), "stdout", 0, 100))
    book.hear(w.OutputAck(name_of(1), "stdout", 60))
    book.hear(e.Disconnected())
    book.hear(e.OutputGrew(name_of(1), "stdout", 150)).expect()
    book.hear(e.Connected())
    book.hear(w.Welcome(NOON, 10.0, None, (ENGINE_KEY,))).expect(
        w.Started(name_of(1), NOON), PURGE, e.SendOutput(name_of(1), "stdout", 60, 90)
    )


def test_what_is_never_acknowledged_is_said_again_after_a_while():
    book = running()
    ended = result(stdout_bytes=5)
    book.hear(e.ChildEnded(ended, e.Kept(5, 5, 5), e.Kept()))
    waited = 0.0
    while waited < STALL_SECONDS:
        book.hear(e.Ponged()).hear(e.Ticked(), after=10)
        waited += 10
    assert [type(c).__name__ for c in book.commands if not isinstance(c, e.Ping)] == ["Send", "SendOutput", "Send"]
    assert book.commands[-1] == e.Send(ended)


def test_two_talkative_scripts_share_what_may_be_in_flight():
    book = Playbook().welcomed()
    for number in (1, 2):
        book.hear(order(payload(number)))
        book.hear(e.ChildStarted(name_of(number), NOON))
    book.hear(e.OutputGrew(name_of(1), "stdout", 300_000))
    book.hear(e.OutputGrew(name_of(2), "stdout", 900_000))
    sent = {1: 300_000, 2: sum(c.length for c in book.commands if isinstance(c, e.SendOutput))}
    assert sum(sent.values()) == w.MAX_IN_FLIGHT_BYTES
    book.hear(w.OutputAck(name_of(1), "stdout", 300_000))
    assert sum(c.length for c in book.commands if isinstance(c, e.SendOutput)) == 300_000


steps = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 3), st.integers(1, 300_000)),
        st.tuples(st.just("ack"), st.integers(1, 3), st.integers(0, 400_000)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
        st.tuples(st.just("end"), st.integers(1, 3), st.integers(0, 50_000)),
        st.tuples(st.just("tick"), st.just(0), st.integers(0, 40)),
        st.tuples(st.just("repeat"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(1, 3), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps)
def test_whatever_happens_nothing_starts_twice_and_the_window_is_never_exceeded(story):
    book = Playbook(max_parallel=2).welcomed()
    spawned: list[str] = []
    heads = dict.fromkeys(range(1, 4), 0)
    ended: set[int] = set()
    acked: dict[str, int] = {}
    sent_to: dict[str, int] = {}

    def note() -> None:
        for command in book.commands:
            if isinstance(command, e.Spawn):
                spawned.append(command.payload.execution_id)
            if isinstance(command, e.SendOutput):
                assert (
                    command.offset <= max(sent_to.get(command.execution_id, 0), acked.get(command.execution_id, 0))
                    or command.offset > 0
                )
                sent_to[command.execution_id] = command.offset + command.length
        assert sum(max(0, sent_to.get(n, 0) - acked.get(n, 0)) for n in sent_to) <= w.MAX_IN_FLIGHT_BYTES

    for number in (1, 2, 3):
        book.hear(order(payload(number)))
        note()
    for what, number, amount in story:
        name = name_of(number)
        if what == "grow" and number not in ended and name in spawned:
            heads[number] += amount
            book.hear(e.ChildStarted(name, NOON))
            note()
            book.hear(e.OutputGrew(name, "stdout", heads[number]))
        elif what == "ack":
            offset = min(amount + acked.get(name, 0), sent_to.get(name, 0))
            book.hear(w.OutputAck(name, "stdout", offset))
            acked[name] = max(acked.get(name, 0), offset)
        elif what == "cut":
            book.hear(e.Disconnected())
            sent_to = dict(acked)
            book.hear(e.Connected())
            note()
            book.hear(w.Welcome(NOON, 10.0, None, (ENGINE_KEY,)))
        elif what == "end" and number not in ended and name in spawned:
            ended.add(number)
            kept = e.Kept(heads[number], heads[number], heads[number])
            book.hear(e.ChildEnded(result(number, stdout_bytes=heads[number]), kept, e.Kept()))
        elif what == "tick":
            book.hear(e.Ponged()).hear(e.Ticked(), after=amount)
        elif what == "repeat":
            book.hear(order(payload(number)))
        elif what == "cancel":
            book.hear(w.Cancel(name, 1.0))
        else:
            continue
        note()
    assert len(spawned) == len(set(spawned))


def test_an_order_whose_payload_cannot_be_read_is_refused_by_its_id():
    text = json.dumps({"execution_id": name_of(4), "v": 1})
    book = Playbook().welcomed()
    book.hear(w.Execute("k1", text, KEY.sign(w.envelope_signing_bytes(text))))
    kept = [c.result for c in book.commands if isinstance(c, e.KeepResult)]
    assert [(r.execution_id, r.reason) for r in kept] == [(name_of(4), "bad_envelope")]


def test_a_stored_order_that_can_no_longer_be_read_is_refused_and_not_tried_for_ever():
    book = Playbook().welcomed(e.Stored(name_of(1), "accepted"))
    kept = [c.result for c in book.commands if isinstance(c, e.KeepResult)]
    assert [(r.outcome, r.reason) for r in kept] == [("refused", "bad_envelope")]


def test_a_hello_fits_one_frame_however_much_is_owed():
    book = Playbook()
    book.hear(e.Loaded(tuple(e.Stored(name_of(n), "finished", result=result(n)) for n in range(20_000))))
    book.hear(e.Connected())
    [hello] = [c.message for c in book.commands if isinstance(c, e.Send)]
    assert len(w.encode(hello)) < w.MAX_FRAME_BYTES


def test_a_start_that_failed_while_no_agent_lived_is_kept_before_any_welcome():
    book = Playbook().hear(e.Loaded((e.Stored(name_of(1), "starting"),)))
    failed = w.Result(name_of(1), "refused", NOON, reason="spawn_failed", detail="no memory")
    book.hear(e.ChildRefused(name_of(1), "spawn_failed", "no memory", NOON)).expect(e.KeepResult(failed))
    book.hear(e.Connected()).expect(w.Hello("1", "boot", (w.Delivery(name_of(1), "finished"),), fetches_files=True))
    book.hear(w.Welcome(NOON, 10.0, None, (ENGINE_KEY,))).expect(PURGE, failed)


# --- who is signed in --------------------------------------------------------------------------------------------------

ADA, BOB = w.SignedIn("c1", "ada"), w.SignedIn("c2", "bob")


def test_the_first_frame_tells_who_is_signed_in_and_changes_follow_once_each():
    book = Playbook().hear(e.SessionsChanged((ADA,))).expect().hear(e.Connected())
    book.expect(w.Hello("1", "boot", sessions=(ADA,), fetches_files=True))
    book.hear(w.Welcome(NOON, 5.0)).expect(e.Purge(NOON - timedelta(days=7)))
    book.hear(e.SessionsChanged((ADA, BOB))).expect(w.Sessions((ADA, BOB)))
    book.hear(e.SessionsChanged((ADA, BOB))).expect()
    book.hear(e.SessionsChanged(())).expect(w.Sessions(()))


def test_a_sign_in_between_hello_and_welcome_is_told_after_the_welcome():
    book = (
        Playbook()
        .hear(e.SessionsChanged(()))
        .hear(e.Connected())
        .expect(w.Hello("1", "boot", sessions=(), fetches_files=True))
    )
    book.hear(e.SessionsChanged((ADA,))).expect()
    book.hear(w.Welcome(NOON, 5.0)).expect(w.Sessions((ADA,)), e.Purge(NOON - timedelta(days=7)))


TOOL = w.FileOf("tool", 4, "ab" * 32)
WITH_FILE = {"v": 2, "files": (TOOL,), "fetch_seconds": 60.0}


def welcomed(max_parallel: int = 8) -> Playbook:
    return Playbook(max_parallel).hear(e.Connected()).hear(w.Welcome(NOON, 20.0))


def test_an_order_with_files_is_kept_and_gathered_and_starts_when_they_are_there():
    one = payload(1, **WITH_FILE)
    book = welcomed().hear(order(one))
    book.expect(e.KeepOrder(one, one.to_text(), False), w.Accepted(name_of(1)), e.Gather(one))
    book.hear(e.Ticked()).expect()
    book.hear(e.FilesReady(name_of(1))).expect(e.KeepStarting(name_of(1)), e.Spawn(one))
    book.hear(e.FilesReady(name_of(1))).expect()


def test_what_waits_for_files_takes_no_place_and_waits_for_one_when_it_has_them():
    one, two = payload(1, **WITH_FILE), payload(2)
    book = welcomed(1).hear(order(one)).hear(order(two))
    book.expect(e.KeepOrder(two, two.to_text(), True), w.Accepted(name_of(2)), e.Spawn(two))
    book.hear(e.FilesReady(name_of(1))).expect()
    book.hear(e.ChildEnded(result(2), e.NOTHING_KEPT, e.NOTHING_KEPT))
    assert e.Spawn(one) in book.commands


def test_files_that_fail_end_it_and_those_of_a_cancelled_one_are_dropped():
    book = welcomed().hear(order(payload(1, **WITH_FILE))).hear(order(payload(2, **WITH_FILE)))
    book.hear(e.FilesFailed(name_of(1), "content_mismatch", "another hash"))
    refused = w.Result(name_of(1), "refused", NOON, reason="content_mismatch", detail="another hash")
    book.expect(e.DropFiles(name_of(1)), e.KeepResult(refused), refused)
    book.hear(w.Cancel(name_of(2), 1.0))
    assert e.DropFiles(name_of(2)) in book.commands
    book.hear(e.FilesReady(name_of(2))).expect()


def test_after_a_restart_files_are_gathered_anew_and_only_once():
    one = payload(1, **WITH_FILE)
    book = Playbook().hear(e.Loaded((e.Stored(name_of(1), "accepted", one),))).expect()
    book.hear(e.Connected()).hear(w.Welcome(NOON, 20.0))
    assert book.commands.count(e.Gather(one)) == 1
    book.hear(w.Welcome(NOON, 20.0))
    assert e.Gather(one) not in book.commands
