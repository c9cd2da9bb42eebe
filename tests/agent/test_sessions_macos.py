"""macOS: who is signed in, by what `scutil` and `who` print there. Nothing of it has run on a Mac."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill_agent import sessions_macos as mac
from watchbill_agent.sessions import ordered


def _screen(place: int, user: str, uid: int, number: int, *, is_front: bool = True, is_done: bool = True) -> str:
    return f"""    {place} : <dictionary> {{
      kCGSSessionAuditIDKey : 10000{place}
      kCGSSessionGroupIDKey : 20
      kCGSSessionIDKey : {number}
      kCGSSessionLoginwindowSafeLogin : FALSE
      kCGSSessionOnConsoleKey : {str(is_front).upper()}
      kCGSSessionSystemSafeBoot : FALSE
      kCGSSessionUserIDKey : {uid}
      kCGSSessionUserNameKey : {user}
      kCGSessionLoginDoneKey : {str(is_done).upper()}
      kCGSessionLongUserNameKey : Ada : of the harbour
      kSCSecuritySessionID : 10000{place}
    }}
"""


def _scutil(*screens: str, name: str = "ada") -> str:
    listed = "".join(screens)
    return f"<dictionary> {{\n  GID : 20\n  Name : {name}\n  SessionInfo : <array> {{\n{listed}  }}\n  UID : 501\n}}\n"


WHO = """ada      console      Mar  1 08:12
ada      ttys000      Mar  1 08:30
bob      ttys001      Mar  1 09:05 (10.0.0.5)
ada      ttys002      Mar 12 09:06 (fe80::1%en0)
root     ttys003      Mar  1 09:07 (10.0.0.9)
"""


def test_everybody_with_a_desktop_is_there_also_behind_another_one():
    text = _scutil(_screen(0, "ada", 501, 257), _screen(1, "bob", 502, 261, is_front=False))
    found = list(mac.at_the_screen(text))
    assert [(one.session_id, one.user, one.place, one.is_remote) for one in found] == [
        ("screen:257:100000", "ada", "console", False),
        ("screen:261:100001", "bob", "console", False),
    ]


@pytest.mark.parametrize(
    "screen",
    [
        _screen(0, "loginwindow", 0, 256),
        _screen(0, "root", 0, 257),
        _screen(0, "toor", 0, 257),
        _screen(0, "_mbsetupuser", 248, 257),
        _screen(0, "_windowserver", 88, 257),
        _screen(0, "ada", 501, 257, is_done=False),
    ],
)
def test_the_system_is_nobody(screen):
    assert list(mac.at_the_screen(_scutil(screen))) == []


@pytest.mark.parametrize("text", ["", "  No such key\n", "<dictionary> {\n}\n", _scutil()])
def test_nobody_at_the_screen_is_nobody(text):
    assert list(mac.at_the_screen(text)) == []


def test_over_the_network_are_those_with_a_host_and_windows_of_terminals_are_not():
    found = list(mac.over_the_network(WHO))
    assert [(one.user, one.place, one.is_remote) for one in found] == [
        ("bob", "ttys001", True),
        ("ada", "ttys002", True),
    ]
    assert found[1].session_id == "tty:ttys002:ada:Mar-12-09-06"


def test_two_sign_ins_of_one_user_are_two_and_each_is_there_once():
    both = [
        *mac.at_the_screen(_scutil(_screen(0, "ada", 501, 257))),
        *mac.over_the_network(WHO),
        *mac.over_the_network(WHO),
    ]
    names = [one.session_id for one in ordered(both) if one.user == "ada"]
    assert names == ["screen:257:100000", "tty:ttys002:ada:Mar-12-09-06"]


@given(st.text(st.sampled_from("0: <dictionary> {}\nkCGSSessionIDKeyUserNameada5 \té"), max_size=300))
def test_whatever_the_tools_print_names_fit_the_wire(text):
    for one in [*mac.at_the_screen("SessionInfo : <array> {" + text), *mac.over_the_network(text)]:
        assert 0 < len(one.session_id) <= 128
        assert all("!" <= letter <= "~" for letter in one.session_id)


def test_without_the_tools_nobody_is_signed_in():
    assert mac._said_by(["/nonexistent/scutil"], "show x\n") == ""
    assert mac._said_by(["/bin/sh"], "exit 3\n") == ""
    assert mac._said_by(["/bin/cat"], "told\n") == "told\n"


def test_a_script_is_started_among_the_services_of_its_user_and_variables_are_in_no_argument():
    assert mac.in_the_users_services(501, ["/usr/bin/python3", "-I", "shim"]) == [
        "/bin/launchctl", "asuser", "501", "/usr/bin/python3", "-I", "shim",
    ]  # fmt: skip


def test_the_account_of_a_session_that_is_not_there_is_nobodys():
    assert mac.MacOS().account("screen:1:1", "root") is None
    assert mac._account_of("root") is None
    assert mac._account_of("no such user") is None
