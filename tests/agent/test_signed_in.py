"""Who is signed in, and scripts that run as they: real accounts, real records of logins, real processes."""

import os
import pwd
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import watchbill_wire as w
from tests.agent.conftest import Agent, is_alive, until
from tests.factories.accounts import accounts, needs_root, record
from watchbill_agent import utmp
from watchbill_agent.sessions_linux import Linux, Living, is_of_a_person, surroundings

# --- records -----------------------------------------------------------------------------------------------------------

plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), plain, st.integers(0, 2**31 - 1), plain, st.integers(0, 2**31 - 1), plain),
        max_size=8,
    ),
    st.binary(max_size=100),
)
def test_every_login_comes_out_as_it_was_written_whatever_stands_around_it(rows, half):
    data = b"".join(record(*row) for row in rows) + half
    wanted = [
        utmp.Login(pid, line, user, host, seconds)
        for kind, user, seconds, line, pid, host in rows
        if kind == 7 and user
    ]
    assert list(utmp.logins(data)) == wanted


@given(st.binary(max_size=4000))
def test_any_bytes_are_read_without_a_fault(data):
    assert all(login.user for login in utmp.logins(data))


@needs_root
def test_only_sessions_that_live_and_are_of_people_count_and_each_for_itself(tmp_path):
    with accounts(tmp_path, 2) as there:
        one, two = there.users
        there.sign_in("tty1", one)
        there.sign_in("pts/1", one)
        there.sign_in("pts/2", two)
        there.sign_in("pts/3", "root")
        there.sign_in("pts/4", two)
        there.sign_out("pts/4", is_recorded=False)
        found = Linux(there.file).found()
        assert sorted((each.user, each.place) for each in found) == sorted(
            [(one, "tty1"), (one, "pts/1"), (two, "pts/2")]
        )
        assert len({each.session_id for each in found}) == 3
        del there.sessions["pts/4"]


@needs_root
def test_a_session_is_its_users_alone_and_over_when_its_process_is(tmp_path):
    with accounts(tmp_path, 2) as there:
        there.sign_in("pts/1", there.users[0], DISPLAY=":7", SECRET="x")
        (session,) = Linux(there.file).found()
        account = Linux(there.file).account(session.session_id, there.users[0])
        assert account is not None
        entry = pwd.getpwnam(there.users[0])
        assert (account.uid, account.gid, account.home) == (entry.pw_uid, entry.pw_gid, entry.pw_dir)
        assert len(account.groups) == 2
        assert account.surroundings == {"DISPLAY": ":7"}
        assert Linux(there.file).account(session.session_id, there.users[1]) is None
        there.sign_out("pts/1", is_recorded=False)
        assert Linux(there.file).account(session.session_id, there.users[0]) is None
        del there.sessions["pts/1"]


# --- logind ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"CLASS": "greeter"}, False),
        ({"CLASS": "lock-screen"}, False),
        ({"CLASS": "manager"}, False),
        ({"CLASS": "background"}, False),
        ({"CLASS": "user-incomplete"}, False),
        ({"STATE": "closing"}, False),
        ({"STATE": "online"}, True),
        ({"USER": ""}, False),
    ],
)
def test_what_logind_keeps_is_a_persons_session_or_not(changes, expected):
    assert is_of_a_person({"CLASS": "user", "STATE": "active", "USER": "ada", **changes}) is expected


@needs_root
def test_logind_is_believed_before_records(tmp_path):
    with accounts(tmp_path, 1) as there:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
        folder = tmp_path / "run/systemd/sessions"
        folder.mkdir()
        leader = there.sign_in("seat", there.users[0])
        facts = {
            "UID": there.uid(0), "USER": there.users[0], "ACTIVE": 1, "STATE": "active", "REMOTE": 0, "TYPE": "wayland",
            "CLASS": "user", "SEAT": "seat0", "TTY": "tty2", "DISPLAY": ":0", "REALTIME": 1_700_000_000_123_456,
            "LEADER": leader,
        }  # fmt: skip
        text = "# This is private data. Do not parse.\n" + "".join(f"{name}={value}\n" for name, value in facts.items())
        (folder / "c2").write_text(text)
        (folder / "gone").write_text(text.replace(f"LEADER={leader}", "LEADER=99999999"))
        os.mkfifo(folder / "c2.ref")
        (found,) = Linux(root=tmp_path).found()
        assert found == w.SignedIn("c2", there.users[0], "tty2", False, datetime.fromtimestamp(1_700_000_000, UTC))
        account = Linux(root=tmp_path).account("c2", there.users[0])
        assert account is not None
        assert account.surroundings["DISPLAY"] == ":0"


@needs_root
def test_the_users_own_bus_is_found_and_nobody_elses(tmp_path):
    runtime = tmp_path / "run/user/4711"
    runtime.mkdir(parents=True)
    session = Living(w.SignedIn("c1", "ada"), 0)
    assert surroundings(4711, session, tmp_path) == {}, "it is root's: somebody prepares it"
    os.chown(runtime, 4711, 4711)
    (runtime / "bus").touch()
    assert surroundings(4711, session, tmp_path) == {"XDG_RUNTIME_DIR": str(runtime)}
    os.chown(runtime / "bus", 4711, 4711)
    assert surroundings(4711, session, tmp_path)["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={runtime}/bus"


# --- a real agent ------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_folder():
    """Users other than root can go through it; pytest's own folders are closed to them."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def people(open_folder):
    with accounts(open_folder, 2) as there:
        yield there


@pytest.fixture
async def up(engine, open_folder, people):
    agent = Agent(open_folder / "agent", engine)
    people.sign_in("pts/1", people.users[0], DISPLAY=":7")
    yield await agent.up("--utmp", str(people.file))
    await agent.stop()


async def session_of(engine, user):
    hello = await engine.first(w.Hello)
    return next(one for one in hello.sessions if one.user == user)


async def order_as(engine, session, content, **changes):
    as_user = {"context": "current_user", "session_id": session.session_id, "session_user": session.user}
    return await engine.order(content, **{**as_user, **changes})


FACTS = """
id -u; id -G; echo "$HOME $USER $LOGNAME $SHELL $DISPLAY"; pwd; umask
ls /proc/self/fd | wc -l; stat -c '%U %a' "$0" "$TMPDIR"; env | grep -c '^SECRET_OF_AGENT='; cat "$0" > /dev/null && echo readable
echo mine > "$TMPDIR/file" && echo writable; ls /root > /dev/null 2>&1 || echo closed; echo "$GREETING $WATCHBILL_JOB"
grep -E '^(CapEff|CapPrm|Uid|Gid):' /proc/self/status | tr '\\t' ' '
"""


@needs_root
async def test_a_script_in_a_session_is_its_user_and_has_nothing_of_roots(engine, up, people):
    user = people.users[0]
    name = await order_as(engine, await session_of(engine, user), FACTS, variables={"GREETING": "hello"})
    result = await engine.result(name)
    assert (result.outcome, result.exit_code) == ("exited", 0), engine.text(name, "stderr")
    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    told = engine.text(name).splitlines()
    assert told[0] == str(entry.pw_uid)
    assert {int(number) for number in told[1].split()} == set(groups)
    assert told[2:5] == [f"{entry.pw_dir} {user} {user} /bin/bash :7", entry.pw_dir, "0022"]
    assert told[5] == "4", "its three streams, and the folder that ls reads"
    assert told[6:8] == [f"{user} 500", f"{user} 700"]
    assert told[8:13] == ["0", "readable", "writable", "closed", "hello j1"]
    ids = " ".join([str(entry.pw_uid)] * 4), " ".join([str(entry.pw_gid)] * 4)
    assert told[13:] == [f"Uid: {ids[0]}", f"Gid: {ids[1]}", "CapPrm: 0000000000000000", "CapEff: 0000000000000000"]


@needs_root
async def test_another_user_cannot_look_into_its_place_and_nothing_is_left_of_it(engine, up, people):
    name = await order_as(engine, await session_of(engine, people.users[0]), "echo here; sleep 600")
    await engine.until(lambda: engine.text(name))
    place = up.data.with_name("agent-users") / name
    entry = place.stat()
    assert (entry.st_uid, entry.st_mode & 0o777) == (people.uid(0), 0o700)
    assert place.parent.stat().st_mode & 0o777 == 0o711
    await engine.send(w.Cancel(name, 1.0))
    assert (await engine.result(name)).outcome == "cancelled"
    await until(lambda: not place.exists())


@needs_root
async def test_a_stop_reaches_all_that_a_users_script_began(engine, up, people):
    script = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$; sleep 600') & sleep 600; sleep 600"
    name = await order_as(engine, await session_of(engine, people.users[0]), script)
    text = await engine.until(lambda: engine.text(name).strip())
    assert Path(f"/proc/{text}").stat().st_uid == people.uid(0)
    await engine.send(w.Cancel(name, 0.2))
    result = await engine.result(name)
    assert (result.outcome, result.tree) == ("cancelled", "stopped")
    assert not is_alive(int(text))


@needs_root
async def test_a_session_that_is_over_or_anothers_runs_nothing(engine, up, people):
    session = await session_of(engine, people.users[0])
    other = await order_as(engine, session, "id", session_user=people.users[1])
    root = await order_as(engine, session, "id", session_user="root")
    people.sign_out("pts/1")
    over = await order_as(engine, session, "id")
    for name in (other, root, over):
        result = await engine.result(name)
        assert (result.outcome, result.reason) == ("refused", "no_user_session")
        assert engine.text(name) == ""


@needs_root
async def test_who_comes_and_goes_is_told_when_it_happens(engine, up, people):
    await engine.connected()
    people.sign_in("pts/2", people.users[1])
    await engine.until(lambda: [m for m in engine.all(w.Sessions) if len(m.sessions) == 2], patience=10)
    people.sign_out("pts/1")
    last = await engine.until(lambda: [m for m in engine.all(w.Sessions) if len(m.sessions) == 1], patience=10)
    assert last[-1].sessions[0].user == people.users[1]


@needs_root
async def test_without_a_home_it_runs_in_its_own_folder(engine, up, people):
    shutil.rmtree(pwd.getpwnam(people.users[0]).pw_dir)
    name = await order_as(engine, await session_of(engine, people.users[0]), 'test "$PWD" = "$TMPDIR" && echo there')
    await engine.result(name)
    assert engine.text(name) == "there\n"


async def test_sh_is_an_interpreter_of_its_own(engine, agent):
    await agent.up()
    name = await engine.order('echo "${BASH_VERSION-none}"; echo "$0"', interpreter="sh")
    assert (await engine.result(name)).exit_code == 0
    inventory = await engine.first(w.Inventory)
    assert "sh" in {kind for kind, found in inventory.inventory["interpreters"].items() if found}
