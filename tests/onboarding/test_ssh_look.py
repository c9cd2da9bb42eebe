"""What a machine says of itself, read: by its answers as they may be, without a machine."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.onboarding_states import ONBOARDING_REASONS, OnboardingReason
from watchbill.onboarding.base import Known, OnboardingError, Site
from watchbill.onboarding.plan import Plan
from watchbill.onboarding.ssh.look import Space, clock_fault, facts_of, is_older, space_fault
from watchbill.onboarding.ssh.present import decide, present_of
from watchbill.onboarding.ssh.shell import Answer, words

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LINUX = """wb.clock=1795953600
wb.kernel=Linux
wb.machine=x86_64
wb.bits=64
wb.hostname=web-1
wb.uid=1000
wb.system=Alpine Linux v3.20
wb.glibc=musl libc (x86_64)
wb.init=init
wb.space_opt=/dev/vda 1048576
"""
DEVICE = "0b54b1a0-6f0a-4a4b-8a3e-7a3a3f4d2c11"


@given(st.text(max_size=400), st.booleans())
def test_whatever_is_answered_ends_as_facts_or_with_a_reason(text: str, has_started: bool) -> None:
    try:
        facts_of(Answer(0, LINUX + text, has_started=has_started), text)
    except OnboardingError as error:
        assert error.reason in ONBOARDING_REASONS[error.state]


@given(st.lists(st.sampled_from(LINUX.splitlines()), max_size=12))
def test_an_answer_with_lines_that_are_missing_or_told_twice_is_read(lines) -> None:
    try:
        facts = facts_of(Answer(0, "\n".join(lines)), "")
    except OnboardingError as error:
        assert error.reason is OnboardingReason.PLATFORM
    else:
        assert facts.clock.tzinfo is not None


def test_a_linux_with_another_c_library_has_no_glibc_and_says_what_it_is() -> None:
    facts = facts_of(Answer(0, LINUX), "")
    assert (facts.glibc, facts.arch, facts.uid) == (None, "x86_64", 1000)
    assert facts.opt == Space("/dev/vda", 1024**3)
    assert facts.words.startswith("web-1: Alpine Linux v3.20, x86_64, no glibc, init; no WireGuard")


@pytest.mark.parametrize(
    ("text", "glibc"),
    [
        ("glibc 2.36", "2.36"),
        ("ldd (Debian GLIBC 2.36-9+deb12u14) 2.36", "2.36"),
        ("ldd (GNU libc) 2.17", "2.17"),
        ("", None),
    ],
)
def test_the_version_of_glibc_is_read_however_it_is_told(text: str, glibc: str | None) -> None:
    assert facts_of(Answer(0, LINUX.replace("musl libc (x86_64)", text)), "").glibc == glibc


def test_versions_are_compared_as_numbers() -> None:
    assert is_older("2.9", "2.36")
    assert not is_older("2.36", "2.36")
    assert not is_older("2.100", "2.36")


@given(st.floats(-1e7, 1e7), st.floats(0, 60), st.floats(0, 1))
def test_a_clock_is_never_said_to_be_off_by_more_than_it_is(off: float, took: float, when: float) -> None:
    after = NOON + timedelta(seconds=took)
    asked_at = NOON + (after - NOON) * when
    shown = (asked_at + timedelta(seconds=off)).replace(microsecond=0)
    fault = clock_fault(shown, NOON, after).total_seconds()
    assert abs(fault) <= abs(off) + 1e-3
    assert abs(fault) >= abs(off) - took - 1 - 1e-3
    assert fault * off >= 0 or abs(fault) < 1e-3


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_space_is_enough_when_all_that_goes_to_one_disk_fits(free: int, one: int, two: int, is_shared: bool) -> None:
    other = Space("a" if is_shared else "b", free)
    fault = space_fault([("/opt", Space("a", free), one), ("/var/tmp", other, two)])
    assert (fault is None) == (one + two <= free if is_shared else max(one, two) <= free)


def test_words_of_a_shell_are_taken_as_they_are() -> None:
    assert words("it's", "$HOME `id`") == "'it'\\''s' '$HOME `id`'"


# --- what is to be done -------------------------------------------------------------------------------------------------


class _Engine:
    """An Engine that knows one device."""

    def __init__(self, known: Known | None, *, has_asked: bool) -> None:
        self.known, self.has_asked = known, has_asked

    async def device(self, device_id: str) -> Known | None:
        assert device_id == DEVICE
        return self.known

    async def check_host_key(self, offered: str) -> str | None:
        raise AssertionError(offered)

    async def issue_code(self) -> str:
        raise AssertionError

    async def enrolled(self, seconds: float) -> bool:
        return self.has_asked


@given(
    st.sampled_from(["none", "pending", "approved", "odd"]),
    st.sampled_from([DEVICE, "../../etc/passwd", ""]),
    st.sampled_from(["https://here", "https://elsewhere"]),
    st.sampled_from(["", '{"installed": true, "running": true}', '{"installed": true}', "[]", "{", "null"]),
    st.sampled_from(
        [None, Known("w", is_accepted=True, is_online=False), Known("w", is_accepted=False, is_online=True)]
    ),
    st.booleans(),
)
async def test_every_agent_that_may_be_there_has_its_plan(state, device, server, status, known, has_asked) -> None:
    said = f"wb.files=yes\nwb.identity=yes\nwb.identity_state={state}\nwb.identity_device_id={device}\n"
    present = present_of(Answer(0, f"{said}wb.identity_server={server}\nwb.status={status}\nwb.current=../x\n"))
    assert present.current == ""
    is_managed = state == "approved" and device == DEVICE and known is not None and known.is_accepted
    try:
        decided = await decide(present, _Engine(known, has_asked=has_asked), Site("https://here"))
    except OnboardingError as error:
        expected = OnboardingReason.ALREADY_MANAGED if is_managed else OnboardingReason.ALREADY_PENDING
        assert error.reason is expected
        assert present.is_whole
        return
    if is_managed:
        assert decided.plan is Plan.REPAIR
    elif state == "pending" and server == "https://here":
        assert decided.plan is (Plan.DONE if present.is_whole else Plan.FINISH)
    else:
        assert decided.plan is Plan.ENROL
        assert decided.is_forced
