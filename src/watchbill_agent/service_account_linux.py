"""The service account on Linux: a system account without a password that works, the Engine's keys, and a rule for sudo.

Whoever leaves goes in the order of what they could do: sudo, signing in, processes, the account.
"""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import stat
from contextlib import closing, suppress
from pathlib import Path

from watchbill_agent import clock
from watchbill_agent.commands import CommandError, Commands, lacking
from watchbill_agent.service_account import Note, Notes
from watchbill_wire import ServiceAccountReported, ServiceAccountWanted

SUDOERS = Path("/etc/sudoers.d")
ENDING_SECONDS = 5.0
_SHELLS = ("/bin/bash", "/bin/sh")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LinuxServiceAccount:
    def __init__(self, notes: Notes, commands: Commands) -> None:
        self._notes = notes
        self._commands = commands

    def put(self, wanted: ServiceAccountWanted) -> ServiceAccountReported:
        try:
            if wanted.state == "absent":
                return ServiceAccountReported("absent", wanted.generation, self._gone(wanted.name))
            self._there(wanted)
        except (CommandError, OSError) as error:
            return ServiceAccountReported("failed", wanted.generation, _words(error))
        return ServiceAccountReported("present", wanted.generation)

    # -- present -----------------------------------------------------------------------------------------------------

    def _there(self, wanted: ServiceAccountWanted) -> None:
        missing = lacking(self._commands, "useradd", "userdel", *(("sudo", "visudo") if wanted.sudo else ()))
        if missing is not None:
            raise CommandError(missing)
        entry = self._made(wanted.name)
        _put_keys(entry, wanted.ssh_public_keys)
        if wanted.sudo:
            self._allow_sudo(wanted.name)
        else:
            _sudoers_of(wanted.name).unlink(missing_ok=True)

    def _made(self, name: str) -> pwd.struct_passwd:
        note, entry = self._notes.load(), _entry(name)
        if entry is not None and not _is_ours(entry, note):
            raise CommandError(f"there is an account {name} that this agent did not make")
        if entry is None:
            note = Note(name, f"Watchbill service account {secrets.token_hex(8)}")
            self._notes.save(note)
            self._add(note)
            entry = _entry(name)
        if entry is None or note is None:
            raise CommandError(f"the account {name} was made and is not there")
        if note.uid != entry.pw_uid:
            self._notes.save(Note(name, note.mark, entry.pw_uid))
        return entry

    def _add(self, note: Note) -> None:
        shell = next((one for one in _SHELLS if Path(one).exists()), _SHELLS[-1])
        # No password is `*`: with `!` sshd takes the account for a locked one, and refuses its keys too.
        self._commands.run(
            "useradd", "--system", "--create-home", "--user-group", "--shell", shell, "--password", "*",
            "--comment", note.mark, note.name,
        )  # fmt: skip

    def _allow_sudo(self, name: str) -> None:
        """Checked where it will lie, under a name that sudo passes over, before it counts."""
        file = _sudoers_of(name)
        rule = f"Defaults:{name} !requiretty\n{name} ALL=(ALL:ALL) NOPASSWD: ALL\n".encode()
        if file.is_file() and file.read_bytes() == rule and file.stat().st_mode & 0o777 == 0o440:
            return
        fresh = file.with_name(f".{name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, _FRESH, 0o440), "wb") as out:
            os.fchmod(out.fileno(), 0o440)
            out.write(rule)
        try:
            self._commands.run("visudo", "--check", "--quiet", f"--file={fresh}")
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)

    # -- absent ------------------------------------------------------------------------------------------------------

    def _gone(self, name: str) -> str | None:
        note, entry = self._notes.load(), _entry(name)
        if note is None or note.name != name:
            return None if entry is None else f"an account {name} that this agent did not make is left as it is"
        if entry is not None and not _is_ours(entry, note):
            raise CommandError(f"the account {name} is not as this agent made it, and is left as it is")
        _sudoers_of(name).unlink(missing_ok=True)
        if entry is not None:
            self._commands.run("usermod", "--expiredate", "1", name)  # nobody signs in any more
            _end_processes(entry.pw_uid)
            self._commands.run("userdel", "--remove", name)
        self._notes.forget()
        return None


def _words(error: Exception) -> str:
    return (f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error))[:500]


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _is_ours(entry: pwd.struct_passwd, note: Note | None) -> bool:
    if note is None or (note.name, note.mark) != (entry.pw_name, entry.pw_gecos):
        return False
    return note.uid in (None, entry.pw_uid)


def _sudoers_of(name: str) -> Path:
    return SUDOERS / name


def _put_keys(entry: pwd.struct_passwd, keys: tuple[str, ...]) -> None:
    """Exactly these. The folders are the account's own: nothing that it may have put there is followed."""
    with closing(_Folder(os.open(entry.pw_dir, _FOLDER), entry)) as home, closing(home.within(".ssh")) as folder:
        # No forwarding of anything: the Engine signs in to work on this device, not to go on from it.
        folder.write("authorized_keys", "".join(f"restrict,pty {key}\n" for key in keys).encode())


class _Folder:
    """A folder of the account, held open while it is written to."""

    def __init__(self, descriptor: int, entry: pwd.struct_passwd) -> None:
        self._descriptor = descriptor
        self._entry = entry

    def close(self) -> None:
        os.close(self._descriptor)

    def within(self, name: str) -> _Folder:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._descriptor)
        inner = os.open(name, _FOLDER, dir_fd=self._descriptor)
        self._give(inner, 0o700)
        return _Folder(inner, self._entry)

    def write(self, name: str, data: bytes) -> None:
        if self._has(name, data):
            return
        fresh = f".{name}.new"
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=self._descriptor)
        with os.fdopen(os.open(fresh, _FRESH, 0o600, dir_fd=self._descriptor), "wb") as file:
            self._give(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _has(self, name: str, data: bytes) -> bool:
        """Whether the file is as it should be already. What is no file at all is replaced as one that is not."""
        try:
            descriptor = os.open(name, _LOOK, dir_fd=self._descriptor)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            is_right = (found.st_mode, found.st_uid) == (stat.S_IFREG | 0o600, self._entry.pw_uid)
            return is_right and file.read(len(data) + 1) == data

    def _give(self, descriptor: int, mode: int) -> None:
        os.fchown(descriptor, self._entry.pw_uid, self._entry.pw_gid)
        os.fchmod(descriptor, mode)


def _end_processes(uid: int) -> None:
    """All that run as this account, also those that begin meanwhile. Raises CommandError when some are left within the bound."""
    bound = clock.monotonic() + ENDING_SECONDS
    while clock.monotonic() < bound:
        running = [pid for pid in _pids() if uid in _uids(pid)]
        if not running:
            return
        for pid in running:
            _kill(pid)
    raise CommandError("some processes of the account could not be ended")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _uids(pid: int) -> set[int]:
    """Real, effective, saved and file system's. Of a process that only waits to be reaped: none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return set()
    facts = dict(line.partition(":")[::2] for line in lines)
    if facts.get("State", "").strip().startswith("Z"):
        return set()
    return {int(number) for number in facts.get("Uid", "").split()}
