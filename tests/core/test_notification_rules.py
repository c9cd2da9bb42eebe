"""Which events an occurrence makes for a rule; what a channel may say; which addresses are public; what subjects may hold."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core import notification_channel_rules as channels
from watchbill.core.notification_rules import BY_CLOCK, Event, Look, Wanted, bounds, rule_problems, told
from watchbill.core.notification_words import LONGEST_MESSAGE, message_subject, message_text, sentence, subject
from watchbill.core.public_address import is_public

ALL = frozenset(Event)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def events(look: Look, wanted: Wanted | None = None) -> set[str]:
    return {str(one.event) for one in told(look, wanted or Wanted(ALL))}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Look("a", "missed"), {"missed"}),
        (Look("a", "skipped"), {"skipped"}),
        (Look("a", "held"), set()),
        (Look("a", "open", braked=3), {"brake_tripped"}),
        (Look("a", "open", expired=3), set()),
        (Look("a", "closed", "success"), set()),
        (Look("a", "closed", "success", ended_streak=1, ended_key="b"), {"recovered"}),
        (Look("a", "closed", "cancelled", ended_streak=1, ended_key="b"), set()),
        (Look("a", "closed", "skipped", ended_streak=1, ended_key="b"), set()),
        (Look("a", "closed", "failed", streak=1), {"failed", "first_failure"}),
        (Look("a", "closed", "failed", streak=2), {"failed"}),
        (Look("a", "closed", "failed", streak=3, expired=1), {"failed", "failures_in_a_row", "waiting_expired"}),
        (Look("a", "closed", "failed", streak=9), {"failed", "failures_in_a_row"}),
    ],
)
def test_what_an_occurrence_tells(look: Look, expected: set[str]) -> None:
    assert events(look) == expected


LOOKS = st.builds(
    Look,
    st.just("a"),
    st.sampled_from(["held", "open", "closed", "skipped", "missed"]),
    st.sampled_from([None, "success", "warning", "failed", "cancelled", "skipped"]),
    streak=st.integers(0, 9),
    ended_streak=st.integers(0, 9),
    braked=st.integers(0, 3),
    expired=st.integers(0, 3),
    begins_at=st.none() | st.just(NOW),
    is_held_by_window=st.booleans(),
    usual=st.none() | st.timedeltas(timedelta(), timedelta(hours=1)),
)
WANTED = st.builds(
    Wanted, st.frozensets(st.sampled_from(list(Event)), min_size=1), st.integers(1, 99), st.integers(2, 9)
)


@given(LOOKS, WANTED)
def test_a_rule_is_told_only_what_it_asks_for_and_each_event_once(look: Look, wanted: Wanted) -> None:
    found = told(look, wanted)
    assert {one.event for one in found} <= wanted.events - BY_CLOCK
    assert len({one.event for one in found}) == len(found)
    assert {one.event for one in bounds(look, wanted)} <= wanted.events & BY_CLOCK
    assert all(one.at >= NOW for one in bounds(look, wanted))
    assert not bounds(look, wanted) or look.state in ("open", "held")


def test_all_failures_of_a_streak_share_its_name() -> None:
    looks = [Look(str(n), "closed", "failed", streak=n, streak_key="s") for n in (3, 4, 5)]
    assert {one.key for look in looks for one in told(look, Wanted(frozenset({Event.FAILURES_IN_A_ROW})))} == {"s"}


def test_what_is_urgent_must_be_told_at_all() -> None:
    assert [one.field for one in rule_problems(["failed"], ["failed", "missed"])] == ["urgent_events"]


# --- channels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://hooks.example.org/a?b=c", "http://10.0.0.1:8080/x", "https://[2001:db8::1]/"])
def test_a_webhook_may_go_there(url: str) -> None:
    assert channels.url_problems(url) == []


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/y", "https://", "https:///x", "https://u:p@x/", "https://u@x/", "https://x/#f", "https://x:99999/", "https://x/ y",
     "https://x/\r\nHost: y", "https://x:0/", "javascript:alert(1)", "//x/y", "https://exämple.org/"],
)  # fmt: skip
def test_a_webhook_may_not_go_there(url: str) -> None:
    assert channels.url_problems(url)


@given(st.text(max_size=60))
def test_any_text_is_judged_and_what_passes_is_one_line(text: str) -> None:
    if not channels.url_problems(text):
        assert text.startswith(("http://", "https://"))
        assert text.isascii()
        assert text.isprintable()
    if not channels.address_problems([text]):
        assert text.count("@") == 1
        assert text.isascii()
        assert not set(text) & set(' \r\n\t,;<>()"')
    if not channels.header_problems({"X-A": text}):
        assert text.isprintable()
        assert text.isascii()


def test_nobody_gets_it_twice_and_each_bad_address_is_named() -> None:
    found = channels.address_problems(["a@x.org", "A@X.ORG", "nobody", "b@x.org\r\nBcc: c@x.org"])
    assert [one.field for one in found] == ["to.1", "to.2", "to.3"]


@pytest.mark.parametrize("name", ["Webhook-Id", "HOST", "content-length", "bad name", "a:b", "x\r\ny", ""])
def test_a_header_that_the_engine_sets_or_nobody_can_send_is_refused(name: str) -> None:
    assert channels.header_problems({name: "x"})


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_short", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 30, "whsec_" + "=" * 40],
)
def test_a_weak_or_broken_signing_key_is_refused(secret: str) -> None:
    assert channels.key_problems(secret)
    assert channels.key_problems("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == []


def test_of_a_webhook_only_the_host_is_shown() -> None:
    assert channels.destination_of("https://hooks.example.org:8443/T0/B1?k=2") == "https://hooks.example.org:8443/…"


# --- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
     "192.0.2.1", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "localhost", "", "1.2.3"],
)  # fmt: skip
def test_an_address_inside_somebodys_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_by_itself(address: IPv4Address) -> None:
    expected = is_public(str(address))
    assert is_public(str(IPv6Address(int(ip_address("64:ff9b::")) + int(address)))) == expected
    assert is_public(f"::ffff:{address}") == expected


# --- words -------------------------------------------------------------------------------------------------------------

FACTS = {
    "job_name": "Sweep", "scheduled_for_at": "2027-01-01T03:00:00Z", "range_end_at": "2027-01-01T05:00:00Z", "range_count": 1,
    "reason": None, "streak": 1, "counts": {"1": {"failed": 2, "success": 3, "skipped": 9}, "2": {"lost": 1}},
    "braked": {"1": {"braked": 4}}, "expired": {"2": {"expired": 1}}, "waited_seconds": 90061, "took_seconds": 0, "usual_seconds": 59,
}  # fmt: skip


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_its_sentence(event: Event) -> None:
    said = sentence(event, FACTS)
    assert said.startswith("Sweep ")
    assert said.endswith(".")
    assert "{" not in said


def test_nobody_is_told_of_devices_in_sites_that_they_do_not_see() -> None:
    assert sentence("failed", FACTS) == "Sweep failed: 3 of 6 devices did not succeed."
    assert sentence("failed", FACTS, [2]) == "Sweep failed: 1 of 1 device did not succeed."
    assert sentence("failed", FACTS, []) == "Sweep failed."
    assert sentence("brake_tripped", FACTS, [2]).endswith("not started on 0 devices.")


def test_of_a_workflow_steps_are_counted() -> None:
    assert sentence("failed", {**FACTS, "counted": "step"}) == "Sweep failed: 3 of 6 steps did not succeed."


@given(st.lists(st.text(max_size=400), min_size=1, max_size=3))
def test_a_subject_is_one_short_line(sentences: list[str]) -> None:
    made = subject(sentences)
    assert made.isprintable()
    assert len(made) <= 180


TEXTS = st.text(st.characters(), max_size=300) | st.text("\0\ud800\r\n\u2028a ", max_size=30_000)


@given(TEXTS)
def test_whatever_a_workflow_says_has_a_line_for_a_subject_and_a_text_that_can_be_kept(said: str) -> None:
    line, text = message_subject(said, "Patch"), message_text(said)
    assert line.isprintable()
    assert 0 < len(line) <= 180
    assert message_subject(line, "Patch") == line
    assert "\0" not in text
    text.encode()
    assert len(text) <= LONGEST_MESSAGE + 60
    assert message_text(text) == text or len(said) > LONGEST_MESSAGE
