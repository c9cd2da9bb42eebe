"""The embedded PostgreSQL: one private server on a data directory, reached by a unix socket and by nobody but the Engine.

Says how it is run and by whom; running it for long is the supervisor's. Knows no table.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from watchbill.kit import postgres_cluster, postgres_host
from watchbill.kit.postgres_cluster import ROLE, Cluster
from watchbill.kit.postgres_host import PORT, DataDirectoryInUseError, DataDirectoryLock, EmbeddedPostgresError
from watchbill.kit.processes import Account, tied_to_parent

__all__ = ["DataDirectoryInUseError", "EmbeddedPostgres", "EmbeddedPostgresError"]

#: Ends sessions, writes everything down and stops; and, when that takes too long, stops at once (the log is replayed).
STOP_SIGNAL = signal.SIGINT
FORCE_SIGNAL = signal.SIGQUIT

_STOP_SECONDS = 30.0
_READY_SECONDS = 60.0
_PLENTY_BYTES = 4 << 30


class EmbeddedPostgres:
    """A PostgreSQL server of our own on `data_dir`, which it may share with other files of the Engine's.

    Two ways to run it: `prepare()` and then `command()` as `account` under a supervisor; or `start()` and `stop()`, which is
    what `with` does. `packages` is the folder that the wheel with the programs is unpacked in, when not where Python finds it.
    """

    def __init__(
        self, data_dir: Path, *, run_dir: Path | None = None, packages: Path | None = None, is_durable: bool = True
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._wanted_run_dir = run_dir
        self._packages = packages
        self._is_durable = is_durable
        self._lock = DataDirectoryLock(self.data_dir)
        self._cluster: Cluster | None = None
        self._programs: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- what a supervisor needs ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Take the data directory, make in it what is missing and end what an earlier server left running.

        Raises DataDirectoryInUseError when another process holds it, EmbeddedPostgresError when the host lacks something.
        """
        account = postgres_host.server_account()
        postgres_host.make_data_dir(self.data_dir)
        self._lock.acquire()
        try:
            self._prepare_for(account)
        except BaseException:
            self._lock.release()
            raise

    def _prepare_for(self, account: Account) -> None:
        if postgres_host.is_switched(account):
            postgres_host.check_reachable(self.data_dir, account)
        run_dir = postgres_host.socket_folder(self.data_dir, self._wanted_run_dir)
        cluster = Cluster(data_dir=self.data_dir, run_dir=run_dir, account=account)
        postgres_host.make_private_folder(run_dir, account)
        postgres_cluster.end_leftovers(cluster)
        packages = self._packages or postgres_host.find_packages()
        programs = postgres_host.programs_for(account, packages, self.data_dir)
        postgres_cluster.make_files(cluster, programs, is_durable=self._is_durable)
        postgres_cluster.write_configuration(cluster, is_durable=self._is_durable)
        self._cluster, self._programs = cluster, programs

    def release(self) -> None:
        """Let go of the data directory, once the server has ended."""
        self._lock.release()

    def recover(self) -> None:
        """End what a crashed server left running, before it is started again. Takes up to half a minute at worst."""
        postgres_cluster.end_leftovers(self._prepared)

    def command(self) -> list[str]:
        """The server in the foreground: to be started as `account`, with `environment()`, in the folder /."""
        if self._programs is None:
            raise RuntimeError("prepare() comes first")
        return self._prepared.command(self._programs)

    def environment(self) -> dict[str, str]:
        return postgres_host.clean_environment()

    @property
    def account(self) -> Account | None:
        """The account that the server must be switched to; None when it runs as this one."""
        account = self._prepared.account
        return account if postgres_host.is_switched(account) else None

    def is_ready(self) -> bool:
        """Whether the server takes connections. Cheap: reads two small files, waits for nothing."""
        return postgres_cluster.find_ready_postmaster(self._prepared) is not None

    @property
    def pid(self) -> int | None:
        """The server's process, when it is ready."""
        return postgres_cluster.find_ready_postmaster(self._prepared)

    @property
    def _prepared(self) -> Cluster:
        if self._cluster is None:
            raise RuntimeError("prepare() comes first")
        return self._cluster

    # --- on its own ----------------------------------------------------------------------------------------------------

    def start(self, *, timeout_seconds: float = _READY_SECONDS) -> None:
        """Prepare and run the server until `stop()`, or until the thread that called this ends."""
        self.prepare()
        try:
            self._spawn()
            self.wait_ready(timeout_seconds)
        except BaseException:
            self.stop()
            raise

    def _spawn(self) -> None:
        account = self.account
        with self._messages.open("wb") as messages:
            self._process = subprocess.Popen(
                tied_to_parent(self.command(), STOP_SIGNAL),
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                cwd="/",
                env=self.environment(),
                # A Ctrl-C at the terminal is for whoever called, who then stops the server in order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def _messages(self) -> Path:
        return self.data_dir / "postgres-messages.log"

    def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Return once a connection was made; EmbeddedPostgresError, with the server's last lines, when that fails."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready():
            if self._process is not None and self._process.poll() is not None:
                status = self._process.returncode
                raise EmbeddedPostgresError(f"PostgreSQL ended with exit status {status}:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL was not ready in {timeout_seconds} s:\n{self.last_lines()}")
            time.sleep(0.01)
        with psycopg.connect(self.conninfo("postgres"), connect_timeout=10):
            return

    def last_lines(self, number: int = 15) -> str:
        """The end of what the server wrote: its newest log file, and what it said before there was one."""
        said = []
        if self._process is not None and self._messages.exists():
            said = self._messages.read_text(encoding="utf-8", errors="replace").splitlines()
        if self._is_durable:
            said += self._log_lines()
        return "\n".join(said[-number:])

    def _log_lines(self) -> list[str]:
        folder = self._prepared.files / "log"
        if folder.is_symlink() or not folder.is_dir():
            return []
        newest = max(folder.iterdir(), key=lambda path: path.lstat().st_mtime, default=None)
        return (postgres_cluster.read_of(newest, self._prepared.account) or "").splitlines() if newest else []

    def stop(self) -> None:
        """Stop the server that `start` runs, in order, in bounded time, and let go of the data directory."""
        process, self._process = self._process, None
        if process is not None:
            _end(process, (STOP_SIGNAL, _STOP_SECONDS), (FORCE_SIGNAL, 5), (signal.SIGKILL, 5))
        self.release()

    # --- its databases -------------------------------------------------------------------------------------------------

    def url(self, database: str) -> str:
        """For SQLAlchemy."""
        folder = quote(str(self._prepared.run_dir), safe="")
        return f"postgresql+psycopg://{ROLE}@/{quote(database, safe='')}?host={folder}&port={PORT}"

    def conninfo(self, database: str, *, role: str = ROLE) -> str:
        """For libpq. `role` may be `postgres_cluster.ADMIN_ROLE`, for what a superuser only can do."""
        return make_conninfo(dbname=database, user=role, host=str(self._prepared.run_dir), port=PORT)

    def create_database(self, name: str) -> bool:
        """Create it unless it is there; whether it was created."""
        try:
            self._execute(sql.SQL("CREATE DATABASE {} STRATEGY {}").format(sql.Identifier(name), self._strategy))
        except psycopg.errors.DuplicateDatabase:
            return False
        return True

    def create_from_template(self, name: str, template: str) -> None:
        """Create a copy of `template`, which nobody may be connected to."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template), self._strategy))

    def drop_database(self, name: str) -> None:
        """Drop it if it is there, with the connections to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def _strategy(self) -> sql.SQL:
        # Copying files needs a checkpoint, which costs nothing where nothing is synced: 8 ms instead of 120.
        return sql.SQL("WAL_LOG" if self._is_durable else "FILE_COPY")

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)

    # --- for tests -----------------------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """A running server on a folder of its own, gone afterwards. Fast, and not to be trusted after a power cut."""
        folder = Path(tempfile.mkdtemp(prefix="watchbill-pg-", dir=_fast_folder()))
        try:
            if os.geteuid() == 0:
                folder.chmod(0o711)
            with cls(folder / "data", is_durable=False) as server:
                yield server
        finally:
            shutil.rmtree(folder)


def _fast_folder() -> Path:
    """Where a throwaway server lies: in memory when there is plenty (ten times as fast to copy databases in), else /tmp.

    Not tempfile's default: TMPDIR may be a folder that the server's account cannot enter, or too long for a socket.
    """
    memory = Path(os.sep, "dev", "shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        found = os.statvfs(memory)
        is_plenty = found.f_bavail * found.f_frsize >= _PLENTY_BYTES
        # The programs may have to be copied beside the data, and run from there.
        if is_plenty and not found.f_flag & os.ST_NOEXEC:
            return memory
    return Path(os.sep, "tmp")


def _end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    for number, seconds in steps:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
