"""Windows: which sessions are people's, by answers laid out as wtsapi32.h says, and how a script is started there. Nothing of it has run on Windows."""

import ctypes
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchbill_agent import as_user_windows as how
from watchbill_agent import sessions_windows as win
from watchbill_agent import wts

#: 2026-03-01T12:00:00Z.
LOGON = 134_168_400_000_000_000


@dataclass
class Token:
    is_elevated: bool = False
    is_closed: bool = False

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Answers:
    """A device by what its API answered: number -> state, user, domain, station, protocol, logon."""

    sessions_there: dict[int, tuple[int, str, str, str, int, int]]
    elevated: set[int] = field(default_factory=set)
    tokens: list[Token] = field(default_factory=list)

    def sessions(self) -> tuple[bytes, int]:
        array = b"".join(
            struct.pack("<I4xQI4x", number, 0xDEAD0000, one[0]) for number, one in self.sessions_there.items()
        )
        return array + "Services\0Console\0".encode("utf-16-le"), len(self.sessions_there)

    def asked(self, session: int, info_class: int) -> bytes:
        state, user, domain, station, protocol, logon = self.sessions_there[session]
        answers = {
            win.USER_NAME: f"{user}\0".encode("utf-16-le"),
            win.DOMAIN_NAME: f"{domain}\0".encode("utf-16-le"),
            win.CLIENT_PROTOCOL: struct.pack("<H", protocol),
            win.SESSION_INFO: info(state, session, station, domain, user, logon),
        }
        return answers[info_class]

    def token(self, session: int) -> Token | None:
        if not self.sessions_there[session][1]:
            return None
        self.tokens.append(Token(session in self.elevated))
        return self.tokens[-1]


def info(state: int, number: int, station: str, domain: str, user: str, logon: int) -> bytes:
    """A WTSINFOW of 216 bytes, field by field; what lies behind a text is left over from before, as in real ones."""

    def wide(text: str, length: int) -> bytes:
        return f"{text}\0".encode("utf-16-le").ljust(length * 2, b"\x41")

    head = struct.pack("<II6I", state, number, 10, 20, 1, 2, 5, 6)
    texts = wide(station, 32) + wide(domain, 17) + wide(user, 21)
    times = struct.pack("<5q", LOGON - 5, 0, LOGON + 9, logon, LOGON + 10)
    return (head + texts).ljust(176, b"\xcc") + times


OFFICE = {
    0: (win.DISCONNECTED, "", "", "Services", 0, 0),
    1: (win.ACTIVE, "ada", "HARBOUR", "Console", 0, LOGON),
    2: (win.ACTIVE, "bob", "HARBOUR", "RDP-Tcp#3", 2, LOGON + 10_000_000),
    3: (win.DISCONNECTED, "ada", "HARBOUR", "", 2, LOGON + 20_000_000),
    4: (1, "", "", "Console", 0, 0),  # connected: the login screen
    65536: (6, "", "", "RDP-Tcp", 0, 0),  # listens
}


def test_people_are_those_who_have_signed_in_whether_they_look_or_not():
    found = win.Windows(Answers(OFFICE)).found()
    assert [(one.user, one.place, one.is_remote) for one in found] == [
        ("HARBOUR\\ada", "Console", False),
        ("HARBOUR\\bob", "RDP-Tcp#3", True),
        ("HARBOUR\\ada", "disconnected", True),
    ]
    assert found[0].since == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert len({one.session_id for one in found}) == 3, "the same user twice is two sessions"


def test_a_number_that_is_given_again_is_another_session():
    again = {1: (win.ACTIVE, "ada", "HARBOUR", "Console", 0, LOGON + 600_000_000)}
    (before, *_), (after,) = win.Windows(Answers(OFFICE)).found(), win.Windows(Answers(again)).found()
    assert before.session_id != after.session_id
    assert win.Windows(Answers(again)).token(before.session_id, before.user) is None


def test_an_administrators_full_rights_are_nobodys_session():
    device = win.Windows(Answers(OFFICE, elevated={1}))
    assert [one.user for one in device.found()] == ["HARBOUR\\bob", "HARBOUR\\ada"]
    assert device.token(f"wts:1:{LOGON}", "HARBOUR\\ada") is None


def test_a_token_is_of_the_session_and_of_its_user_and_no_other_stays_open():
    answers = Answers(OFFICE)
    device = win.Windows(answers)
    device.found()
    assert all(one.is_closed for one in answers.tokens)
    assert device.token(f"wts:1:{LOGON}", "HARBOUR\\bob") is None
    assert device.token("wts:9:1", "HARBOUR\\ada") is None
    token = device.token(f"wts:1:{LOGON}", "HARBOUR\\ada")
    assert token is answers.tokens[-1]
    assert not answers.tokens[-1].is_closed


def test_an_array_of_a_32_bit_system_is_read_by_its_own_layout():
    raw = b"".join(struct.pack("<III", number, 0xDEAD, 0) for number in (0, 1, 7))
    assert win.enumerated(raw, 3, pointer=4) == [0, 1, 7]


def test_short_and_odd_answers_are_nobody():
    facts = win.Facts(1, -1, "", "", "", 0, 0)
    assert not win.is_of_a_person(facts)
    assert win.utf16(b"a\0b") == "a"
    assert win.moment(2**63 - 1) is None
    assert win.moment(0) is None


@given(st.binary(max_size=400), st.integers(0, 20))
def test_no_answer_breaks_the_reading(raw, count):
    win.enumerated(raw, count)
    assert "\0" not in win.utf16(raw)


# --- how a script is started ------------------------------------------------------------------------------------------


def _taken_apart(line: str) -> list[str]:
    """As the C runtime does it: quotes, and backslashes that count only before them."""
    arguments, now, in_quotes, begun, place = list[str](), "", False, False, 0
    while place < len(line):
        run = len(line[place:]) - len(line[place:].lstrip("\\"))
        one = line[place + run : place + run + 1]
        if run and one == '"':
            now, begun = now + "\\" * (run // 2) + ('"' if run % 2 else ""), True
            in_quotes ^= run % 2 == 0
        elif run:
            now, begun, run = now + "\\" * run, True, run - 1
        elif one == '"':
            in_quotes, begun = not in_quotes, True
        elif one in " \t" and not in_quotes:
            if begun:
                arguments.append(now)
            now, begun = "", False
        else:
            now, begun = now + one, True
        place += run + 1
    return [*arguments, now] if begun else arguments


words = st.text(st.sampled_from('ab\\" \t'), max_size=8)


@given(st.lists(words, min_size=1, max_size=5))
@example(["C:\\Program Files\\x.exe", "a\\\\", 'say "hi"', ""])
def test_every_argument_arrives_as_it_was(arguments):
    assert _taken_apart(how.quoted(arguments)) == arguments


def test_each_interpreter_is_given_its_script():
    script = "C:\\Users\\Ada L\\x\\script.ps1"
    line = how.command_line("powershell", "C:\\Windows\\powershell.exe", script)
    assert _taken_apart(line)[-2:] == ["-File", script]
    assert _taken_apart(how.command_line("python", "C:\\py\\python.exe", script)) == ["C:\\py\\python.exe", script]
    batch = how.command_line("batch", "C:\\Windows\\cmd.exe", "C:\\Ada L\\script.cmd")
    assert batch == 'C:\\Windows\\cmd.exe /d /s /c ""C:\\Ada L\\script.cmd""'


@pytest.mark.parametrize("path", ["a&b", "100%", 'say"', "a^b", "x\ny", "a!b"])
def test_what_cmd_would_read_otherwise_is_refused(path):
    with pytest.raises(ValueError, match="batch file"):
        how.command_line("batch", "cmd.exe", path)


def test_what_cannot_be_said_is_refused():
    with pytest.raises(ValueError, match="longer"):
        how.command_line("python", "python.exe", "x" * how.LONGEST_COMMAND)
    with pytest.raises(ValueError, match="NUL"):
        how.quoted(["a\0b"])
    for bad in ({"": "x"}, {"A=B": "x"}, {"A": "x\0y"}):
        with pytest.raises(ValueError, match="cannot be given"):
            how.block_of(bad)


names = st.text(st.characters(exclude_characters="=\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(st.dictionaries(names, values, max_size=6))
def test_an_environment_arrives_as_it_was_and_ends_where_it_should(environment):
    block = how.block_of(environment)
    assert how.environment_of(block) == environment
    assert block.endswith(b"\0\0\0\0")
    assert how.environment_of(block + "left over=1\0".encode("utf-16-le")) == environment


def test_drives_stay_out_and_case_does_not_count():
    block = "=C:=C:\\x\0Path=a\0TEMP=b\0\0".encode("utf-16-le")
    assert how.environment_of(block) == {"Path": "a", "TEMP": "b"}
    assert how.merged({"Path": "a", "Temp": "b"}, {"TEMP": "c"}) == {"Path": "a", "TEMP": "c"}
    sorted_block = how.block_of({"b": "2", "A": "1", "C": "3"}).decode("utf-16-le")
    assert sorted_block == "A=1\0b=2\0C=3\0\0"


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="sizes of 64-bit Windows")
def test_the_structures_have_the_sizes_of_64_bit_windows():
    assert ctypes.sizeof(wts._StartupInfo) == 112
    assert ctypes.sizeof(wts._Process) == 24
    assert ctypes.sizeof(wts._JobLimits) == 144
    assert len(info(0, 1, "", "", "", 0)) == 216


def test_elsewhere_than_on_windows_it_says_so():
    with pytest.raises(OSError, match="not Windows"):
        wts.libraries()
