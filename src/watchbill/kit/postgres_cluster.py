"""The files and processes of one embedded cluster: making it, its configuration, its postmaster.pid, and what an earlier
server left behind. To be used only by whoever holds the lock on the data directory.
"""

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from watchbill.kit.postgres_host import (
    MAJOR_VERSION,
    PORT,
    EmbeddedPostgresError,
    make_private_folder,
    path_mark,
    run_as,
)
from watchbill.kit.processes import Account, ProcessHandle

#: The Engine's role: no superuser, so that a fault in a query is not a shell under the server's account.
ROLE = "watchbill"
ADMIN_ROLE = "watchbill_admin"

_INITDB = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=peer",
    "--auth-host=reject",
    "--no-instructions",
    f"--username={ADMIN_ROLE}",
)

# Sized for a small machine: the Engine, its database and a first few hundred agents within a gigabyte.
_SETTINGS = f"""\
# Written anew at every start: changes are lost.
listen_addresses = ''
port = {PORT}
unix_socket_permissions = 0700
# No worker processes for reading ahead: what is read here is small and mostly cached.
io_method = sync
max_connections = 200
shared_buffers = '64MB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
effective_cache_size = '512MB'
random_page_cost = 1.1
jit = off
wal_compression = on
checkpoint_timeout = '10min'
datestyle = 'iso, ymd'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'
"""
_DURABLE = """\
min_wal_size = '80MB'
max_wal_size = '1GB'
synchronous_commit = on
logging_collector = on
log_directory = 'log'
# One file for each weekday, begun anew a week later: old lines go by themselves.
log_filename = 'postgresql-%a.log'
log_rotation_age = '1d'
log_rotation_size = 0
log_truncate_on_rotation = on
log_checkpoints = off
log_line_prefix = '%m [%p] %q%d %a '
log_lock_waits = on
"""
_THROWAWAY = """\
min_wal_size = '32MB'
max_wal_size = '256MB'
fsync = off
# Its worker is a superuser, which a DROP DATABASE by anybody else cannot send away.
autovacuum = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where things lie, and whose they are."""

    data_dir: Path
    run_dir: Path
    account: Account

    @property
    def files(self) -> Path:
        return self.data_dir / "cluster"

    @property
    def conf_dir(self) -> Path:
        return self.data_dir / "conf"

    @property
    def title(self) -> str:
        """Stands in the title of every process of this cluster's server, so that they can be told from others'."""
        return f"watchbill-{path_mark(self.data_dir)}"

    def command(self, programs: Path) -> list[str]:
        """The server in the foreground."""
        given = {
            "config_file": self.conf_dir / "postgresql.conf",
            "hba_file": self.conf_dir / "pg_hba.conf",
            "ident_file": self.conf_dir / "pg_ident.conf",
            "unix_socket_directories": self.run_dir,
            "cluster_name": self.title,
        }
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(self.files), *options]


# --- making it ---------------------------------------------------------------------------------------------------------


def make_files(cluster: Cluster, programs: Path, *, is_durable: bool) -> None:
    """Make the cluster unless it is there. A name of its own until it is whole, so a kill in between leaves only waste."""
    for waste in cluster.data_dir.glob("cluster.new-*"):
        # What a killed start's last child still writes in it goes at the start after this one.
        shutil.rmtree(waste, ignore_errors=True)
    unfinished = cluster.data_dir / f"cluster.new-{secrets.token_hex(4)}"
    if cluster.files.exists():
        _check_version(cluster)
        return
    make_private_folder(unfinished, cluster.account)
    sync = [] if is_durable else ["--no-sync"]
    _run(cluster, [str(programs / "initdb"), "-D", str(unfinished), *_INITDB, *sync])
    single = ["--single", "-D", str(unfinished), "-c", "exit_on_error=true", "-c", "log_checkpoints=off", "postgres"]
    _run(cluster, [str(programs / "postgres"), *single], feed=f"CREATE ROLE {ROLE} LOGIN CREATEDB\n")
    for unused in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        (unfinished / unused).unlink()
    unfinished.rename(cluster.files)
    _sync_folder(cluster.data_dir)


def _run(cluster: Cluster, argv: list[str], *, feed: str = "") -> None:
    done = run_as(cluster.account, argv, feed=feed)
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-10:])
        raise EmbeddedPostgresError(f"{argv[0]} failed with exit status {done.returncode}:\n{last}")


def _check_version(cluster: Cluster) -> None:
    found = (read_of(cluster.files / "PG_VERSION", cluster.account) or "unknown").strip()
    if found != MAJOR_VERSION:
        raise EmbeddedPostgresError(
            f"{cluster.files} was made by PostgreSQL {found}, this Watchbill brings {MAJOR_VERSION}: dump it with the "
            "version that made it, move the folder away and restore into a new one"
        )


def write_configuration(cluster: Cluster, *, is_durable: bool) -> None:
    """Write the three files of configuration, outside of what the server's account can change."""
    cluster.conf_dir.mkdir(mode=0o755, exist_ok=True)
    cluster.conf_dir.chmod(0o755)
    _write(cluster.conf_dir / "postgresql.conf", _SETTINGS + (_DURABLE if is_durable else _THROWAWAY))
    # Whoever is not named in the map does not get in, even if the socket's folder were opened: the kernel tells the
    # server who connects, so there is no password to keep.
    _write(cluster.conf_dir / "pg_hba.conf", f"local all {ROLE},{ADMIN_ROLE} peer map=engine\n")
    _write(cluster.conf_dir / "pg_ident.conf", _ident_map(cluster.account))


def _ident_map(account: Account) -> str:
    current = Account.find_current()
    names = {account.name} | ({current.name} if current else set())
    return "".join(f'engine "{name}" {role}\n' for name in sorted(names) for role in (ROLE, ADMIN_ROLE))


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(0o644)
    unfinished.replace(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- its processes -----------------------------------------------------------------------------------------------------


def read_of(path: Path, account: Account, *, last_bytes: int = 65_536) -> str | None:
    """The end of a file that belongs to `account`, else None: root must not be led to another file by a link."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(file)
        if found.st_uid != account.uid:
            return None
        return os.pread(file, last_bytes, max(0, found.st_size - last_bytes)).decode(errors="replace")
    finally:
        os.close(file)


def find_ready_postmaster(cluster: Cluster) -> int | None:
    """The pid of this cluster's server when it takes connections, as it says itself in postmaster.pid."""
    lines = (read_of(cluster.files / "postmaster.pid", cluster.account) or "").splitlines()
    if len(lines) < 8 or lines[7].strip() != "ready" or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    return pid if _is_postmaster(cluster, pid) else None


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return []


def _is_accounts(cluster: Cluster, pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == cluster.account.uid
    except OSError:
        return False


def _is_postmaster(cluster: Cluster, pid: int) -> bool:
    words = _arguments(pid)
    # Its command line is read, not its working folder: root in a container may not look at another account's.
    is_server = len(words) > 2 and Path(words[0]).name == "postgres" and words[1:3] == ["-D", str(cluster.files)]
    return is_server and _is_accounts(cluster, pid)


def _is_part(cluster: Cluster, pid: int) -> bool:
    words = _arguments(pid)
    return bool(words) and words[0].startswith(f"postgres: {cluster.title}: ") and _is_accounts(cluster, pid)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def end_leftovers(cluster: Cluster) -> list[int]:
    """End what still runs of an earlier server on this cluster; returns the pids. The log replays what was not written."""
    ended = []
    for pid in [pid for pid in _pids() if _is_postmaster(cluster, pid)]:
        _end(cluster, pid, (signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
        ended.append(pid)
    # Without their postmaster these see that it is gone only when they next wait; until then they keep its shared
    # memory and with it the new server from starting.
    for pid in [pid for pid in _pids() if _is_part(cluster, pid)]:
        _end(cluster, pid, (signal.SIGQUIT, 2), (signal.SIGKILL, 5))
        ended.append(pid)
    _drop_misleading_pid_files(cluster)
    return ended


def _end(cluster: Cluster, pid: int, *steps: tuple[signal.Signals, float]) -> None:
    try:
        process = ProcessHandle(pid)
    except ProcessLookupError:
        return
    with process:
        # Looked at again, now that the handle holds it: the pid could have been given to another process meanwhile.
        is_ours = _is_postmaster(cluster, pid) or _is_part(cluster, pid)
        if is_ours and not process.end(*steps):
            raise EmbeddedPostgresError(f"process {pid} of an earlier PostgreSQL on {cluster.files} does not end")


def _drop_misleading_pid_files(cluster: Cluster) -> None:
    """Remove a lock file whose pid now belongs to something else, which PostgreSQL would take for a running server.

    That is common in containers, where pids repeat. A file whose pid is free is left: PostgreSQL checks by it that the old
    shared memory is unused.
    """
    for path in (cluster.files / "postmaster.pid", cluster.run_dir / f".s.PGSQL.{PORT}.lock"):
        first = (read_of(path, cluster.account) or "").partition("\n")[0]
        if first.isdigit() and Path(f"/proc/{first}").exists():
            path.unlink(missing_ok=True)
