"""Machines that are not signed in to, or not to be used: each with its state and reason, and nothing left there."""

import subprocess
from dataclasses import replace

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.fleet import until
from tests.lab.host import Host
from tests.lab.sshd import User, Ways, key_pair, start_sshd
from tests.onboarding.acting import OpenGuard, credential
from tests.onboarding.stage import Stage, traces
from watchbill.core.credential_rules import BecomeMethod, CredentialKind
from watchbill.core.onboarding_states import ONBOARDING_REASONS
from watchbill.core.onboarding_states import OnboardingReason as R
from watchbill.core.onboarding_states import OnboardingState as S
from watchbill.credentials import OpenBecome
from watchbill.kit.secrets import Secret
from watchbill.onboarding.guard import RunGuard

pytestmark = [needs_lab, pytest.mark.timeout(120)]
PASSWORD = "quay-7-harbour"
ADA = User("ada", PASSWORD, may_sudo=True)
GEAR = """#!/bin/sh
echo "% Unknown command: $SSH_ORIGINAL_COMMAND"
echo "SW-1> "
"""


def _program(host: Host, path: str, text: str) -> None:
    host.run("tee", path, given=text)
    host.run("chmod", "755", path)


async def test_a_wrong_password_is_given_once_and_every_credential_is_named(stage: Stage) -> None:
    host = stage.machine(ADA, ways=Ways(by_asking=False))
    host.run("sh", "-c", "kill $(pgrep -o -f lab_sshd_config)", is_checked=False)
    host.run(
        "sed", "-i", "s/KbdInteractiveAuthentication no/KbdInteractiveAuthentication yes/", "/etc/ssh/lab_sshd_config"
    )
    program = host.start("sshd-2", "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/lab_sshd_config")
    host.run(
        "sh",
        "-c",
        "for n in $(seq 200); do ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep -q . && exit; sleep 0.05; done",
    )
    private, _ = key_pair()
    ended = await stage.install(host, credential(1, password="wrong"), credential(2, private_key=private))
    assert ended.end == (S.AUTH_FAILED, R.CREDENTIALS_REFUSED)
    assert str(ended.error) == "“Credential 1” (ada) was refused. “Credential 2” (ada) was refused."
    assert program.output().count("Failed password") + program.output().count("Failed keyboard") == 1, program.output()
    assert traces(host) == []


async def test_credentials_of_another_kind_and_keys_that_do_not_open_are_no_tries(stage: Stage) -> None:
    host = stage.machine(ADA)
    ended = await stage.install(host, credential(password=PASSWORD, kind=CredentialKind.WINRM))
    assert ended.end == (S.AUTH_FAILED, R.NO_CREDENTIAL)
    private, _ = key_pair("a phrase")
    ended = await stage.install(host, credential(private_key=private, passphrase="another"))
    assert ended.end == (S.AUTH_FAILED, R.CREDENTIALS_REFUSED)
    assert "private key cannot be opened" in str(ended.error)
    assert stage.noted == []


async def test_keys_agents_and_settings_of_who_runs_the_engine_are_not_used(
    stage: Stage, tmp_path, monkeypatch
) -> None:
    private, public = key_pair()
    host = stage.machine(User("ada", PASSWORD, public, may_sudo=True))
    own = tmp_path / "home" / ".ssh"
    own.mkdir(parents=True)
    (own / "id_ed25519").write_text(private)
    (own / "id_ed25519").chmod(0o600)
    (own / "config").write_text(f"Host *\n  User ada\n  IdentityFile {own}/id_ed25519\n")
    monkeypatch.setenv("HOME", str(own.parent))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL) as agent:
        try:
            until("the agent listens", (tmp_path / "agent").exists, 10)
            subprocess.run(["ssh-add", "-q", str(own / "id_ed25519")], check=True)
            ended = await stage.install(host, credential(password="wrong"))
        finally:
            agent.terminate()
    assert ended.end == (S.AUTH_FAILED, R.CREDENTIALS_REFUSED)


async def test_the_guard_lets_an_account_be_tried_once(stage: Stage) -> None:
    host = stage.machine(ADA)
    async with RunGuard({1: 1, 2: 1}).on_machine() as guard:
        stage = replace(stage, guard=guard)
        ended = await stage.install(host, credential(1, password="wrong"), credential(2, password=PASSWORD))
        assert ended.end == (S.AUTH_FAILED, R.CREDENTIALS_REFUSED)
        assert "“Credential 2” was not tried: the account ada had its one try" in str(ended.error)
        assert guard.refused == [(1, 1)]
    async with RunGuard({1: 1}).on_machine([(1, 1)]) as guard:
        ended = await replace(stage, guard=guard).install(host, credential(1, password="wrong"))
        assert ended.end == (S.AUTH_FAILED, R.LOCKOUT_GUARD)


async def test_a_changed_host_key_is_not_signed_in_to(stage: Stage) -> None:
    host = stage.machine(ADA)
    await stage.engine.check_host_key("ssh-ed25519 AAAA")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.HOST_KEY_CHANGED)
    assert stage.noted == []


async def test_what_has_no_posix_shell_says_what_it_answered(stage: Stage) -> None:
    host = stage.machine(ADA, ways=Ways(shell="/usr/local/bin/gear"))
    _program(host, "/usr/local/bin/gear", GEAR)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.UNSUPPORTED, R.PLATFORM)
    assert "% Unknown command: /bin/sh" in str(ended.error)
    _program(host, "/usr/local/bin/gear", "#!/bin/sh\nprintf 'SW-1> '; exec sleep 1000\n")
    ended = await replace(stage, step_seconds=4.0).install(host, credential(password=PASSWORD))
    assert ended.end == (S.UNSUPPORTED, R.PLATFORM)
    assert "SW-1>" in str(ended.error)
    _program(host, "/usr/local/bin/gear", "#!/bin/sh\nexec sleep 1000\n")
    ended = await replace(stage, step_seconds=4.0).install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.TIMED_OUT)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("exec yes watchbill", (S.UNSUPPORTED, R.PLATFORM)),
        ("exec cat /dev/urandom", (S.UNSUPPORTED, R.PLATFORM)),
        ("echo watchbill:97531; exec yes watchbill", (S.FAILED, R.STEP_FAILED)),
        ("echo watchbill:97531; exec cat /dev/urandom", (S.FAILED, R.STEP_FAILED)),
    ],
)
async def test_who_never_stops_talking_is_not_listened_to(stage: Stage, text: str, end) -> None:
    host = stage.machine(ADA, ways=Ways(shell="/usr/local/bin/gear"))
    _program(host, "/usr/local/bin/gear", f"#!/bin/sh\n{text}\n")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == end, ended.story.text
    assert len(ended.story.told[-1].snippet) <= 2_100


@pytest.mark.parametrize(
    ("program", "text", "end"),
    [
        ("getconf", "#!/bin/sh\nexec sleep 1000\n", (S.FAILED, R.TIMED_OUT)),
        # The login itself asks for it, and hangs: the server does not answer any more.
        ("uname", "#!/bin/sh\nexec sleep 1000\n", (S.FAILED, R.CONNECTION_LOST)),
        ("uname", "#!/bin/sh\nhead -c 3000000 /dev/urandom; echo\n", (S.UNSUPPORTED, R.PLATFORM)),
        ("uname", "#!/bin/sh\necho FreeBSD\n", (S.UNSUPPORTED, R.PLATFORM)),
        ("uname", '#!/bin/sh\n[ "$1" = -m ] && echo mips64 || exec /bin/uname "$@"\n', (S.UNSUPPORTED, R.NO_PACKAGE)),
        ("getconf", '#!/bin/sh\n[ "$1" = LONG_BIT ] && echo 32\n', (S.UNSUPPORTED, R.NO_PACKAGE)),
        ("getconf", "#!/bin/sh\necho glibc 2.12\n", (S.UNSUPPORTED, R.SYSTEM_TOO_OLD)),
        # The hosts of a lab have this machine's clock, so it is the program that tells the time which is off.
        ("date", '#!/bin/sh\nexec /bin/date -d "-2 hours" "$@"\n', (S.FAILED, R.CLOCK_OFF)),
        ("date", '#!/bin/sh\nexec /bin/date -d "+6 minutes" "$@"\n', (S.FAILED, R.CLOCK_OFF)),
    ],
)
async def test_an_odd_machine_ends_with_its_reason_and_unchanged(stage: Stage, program: str, text: str, end) -> None:
    stage.package(glibc="2.36")
    host = stage.machine(ADA)
    _program(host, f"/usr/local/bin/{program}", text)
    seconds = 4.0 if program == "getconf" and "sleep" in text else 40.0
    ended = await replace(stage, step_seconds=seconds).install(host, credential(password=PASSWORD))
    assert ended.end == end, ended.story.text
    assert end[1] in ONBOARDING_REASONS[end[0]]
    assert len(ended.error.snippet if ended.error else "") <= 2_100
    assert traces(host) == []


async def test_a_clock_that_is_off_says_by_how_much(stage: Stage) -> None:
    host = stage.machine(ADA)
    _program(host, "/usr/local/bin/date", '#!/bin/sh\nexec /bin/date -d "-7199 seconds" "$@"\n')
    ended = await stage.install(host, credential(password=PASSWORD))
    assert str(ended.error).startswith("Its clock is 1 h 59 min behind the Engine's"), ended.error
    _program(host, "/usr/local/bin/date", '#!/bin/sh\nexec /bin/date -d "+121 seconds" "$@"\n')
    ended = await stage.install(host, credential(password=PASSWORD))
    assert next(one.detail for one in ended.story.told if one.name == "clock") in (
        "2 min ahead of the Engine's.",
        "2 min 1 s ahead of the Engine's.",
    )


@pytest.mark.parametrize(
    ("user", "become", "says"),
    [
        (User("ada", PASSWORD), None, "does not become root by sudo"),
        (User("ada", PASSWORD, sudo="asks"), OpenBecome(BecomeMethod.SUDO, "root", Secret("no")), "sudo refused"),
        (User("ada", PASSWORD, sudo="free"), OpenBecome(BecomeMethod.SUDO, "deploy", None), "becomes deploy"),
        (User("ada", PASSWORD), OpenBecome(BecomeMethod.SU, "root", Secret("no")), "does not become root by su"),
        (User("ada", PASSWORD), OpenBecome(BecomeMethod.SU, "root", None), "su asks for a password"),
        (User("ada", PASSWORD), OpenBecome(BecomeMethod.DOAS, "root", None), "does not become root by doas"),
    ],
)
async def test_who_does_not_become_root_installs_nothing(stage: Stage, user: User, become, says: str) -> None:
    host = stage.machine(user)
    ended = await stage.install(host, credential(password=PASSWORD, become=become))
    assert ended.end == (S.FAILED, R.NOT_PERMITTED)
    assert says in str(ended.error)
    assert ended.story.names[-1] == "root"
    assert traces(host) == []


async def test_sudo_that_asks_and_a_credential_without_a_password(stage: Stage) -> None:
    private, public = key_pair()
    host = stage.machine(User("ada", PASSWORD, public, sudo="asks"))
    ended = await stage.install(host, credential(private_key=private))
    assert ended.end == (S.FAILED, R.NOT_PERMITTED)
    assert "sudo asks for a password" in str(ended.error)


async def test_an_account_whose_password_must_be_changed_says_so(stage: Stage) -> None:
    host = stage.machine(ADA)
    host.run("chage", "-d", "0", "ada")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.NOT_PERMITTED), ended.story.text
    assert "must be changed" in str(ended.error)


async def test_every_way_in_is_looked_for_again_after_a_new_start(stage: Stage) -> None:
    host = stage.machine(ADA)
    host.power_off()
    stage.lab.turn_on(host)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.CONNECTION_LOST)
    assert "host key" in str(ended.error)
    start_sshd(host)
    stage.engine.host_key = None
    assert (await replace(stage, guard=OpenGuard()).install(host, credential(password=PASSWORD))).done
