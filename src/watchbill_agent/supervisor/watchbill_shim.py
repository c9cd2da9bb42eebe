"""Supervises one script: spawns it, stores its output, enforces its time limit, kills its tree, writes down how it ended.

It is a program of its own, so that a script outlives a killed agent. It talks to nobody but the files and pipes of its
execution's folder, and before the script runs it imports only what the interpreter already holds: every millisecond
here is a millisecond late. No imports of ours, no network, no decisions about what may run.
"""

from __future__ import annotations

import _ctypes
import os
import resource
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from watchbill_agent.supervisor.watchbill_mask import Masker

LINGER_SECONDS = 2.0
KILL_BOUND_SECONDS = 5.0
CHUNK = 65536
PR_SET_CHILD_SUBREAPER = 36
# By number, because the `signal` module is loaded only after the script was started.
SIGKILL, SIGTERM, SIGCONT, SIGSTOP = 9, 15, 18, 19
# HUP INT QUIT PIPE TERM CHLD XFSZ: whatever the agent or its service manager ignored, the script starts with defaults.
DEFAULTED_SIGNALS = (1, 2, 3, 13, 15, 17, 25)


class Order:
    """What the agent asks for, read from standard input as `key=value` fields ended by NUL."""

    def __init__(self, raw: bytes) -> None:
        self.argv: list[bytes] = []
        self.environment: dict[bytes, bytes] = {}
        self.numbers: dict[str, float] = {}
        #: Whom the script runs as: uid, gid and groups; nothing = as this process.
        self.ids: list[int] = []
        self.folder = b""
        self.masked: list[bytes] = []
        for item in raw.split(b"\0")[:-1]:
            key, _, value = item.partition(b"=")
            if key == b"argv":
                self.argv.append(value)
            elif key == b"env":
                name, _, text = value.partition(b"=")
                self.environment[name] = text
            elif key == b"id":
                self.ids.append(int(value))
            elif key == b"cwd":
                self.folder = value
            elif key == b"mask":
                self.masked.append(value)
            else:
                self.numbers[key.decode()] = float(value)


class Sink:
    """One stream on disk: the first bytes in a file, the last ones in a ring, all of them counted."""

    def __init__(self, name: str, source: int, head: int, tail: int) -> None:
        self.source = source
        self.head = os.open(f"{name}.head", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.ring = os.open(f"{name}.tail", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.counts = os.open(f"{name}.counts", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.head_limit, self.tail_limit = head, tail
        self.total = self.head_size = self.tail_size = 0
        self.is_open = True
        self.is_storing = True
        self.masker: Masker | None = None

    def take(self) -> int:
        """Read once; says how many bytes came, -1 when nothing is there now."""
        try:
            data = os.read(self.source, CHUNK)
        except BlockingIOError:
            return -1
        if not data:
            self.is_open = False
            os.close(self.source)
            self.flush()
            return 0
        self._keep(self.masker.feed(data) if self.masker else data)
        return len(data)

    def flush(self) -> None:
        """No more will come: what was held back as the beginning of a secret was none."""
        if self.masker:
            self._keep(self.masker.finish())

    def _keep(self, data: bytes) -> None:
        if self.is_storing:
            try:
                self._store(data)
            except OSError:  # the disk is full: the script goes on, the rest is counted and not kept
                self.is_storing, self.tail_size = False, 0
        self.total += len(data)
        os.pwrite(self.counts, b"%20d %20d %20d" % (self.total, self.head_size, self.tail_size), 0)

    def _store(self, data: bytes) -> None:
        room = self.head_limit - self.head_size
        if room > 0:
            first = data[:room]
            _write_all(self.head, first, self.head_size)
            self.head_size += len(first)
            data = data[room:]
        if data and self.tail_limit:
            self._store_ring(data, self.total + max(room, 0))

    def _store_ring(self, data: bytes, offset: int) -> None:
        kept = data[-self.tail_limit :]
        place = (offset + len(data) - len(kept) - self.head_limit) % self.tail_limit
        first = kept[: self.tail_limit - place]
        _write_all(self.ring, first, place)
        _write_all(self.ring, kept[len(first) :], 0)
        self.tail_size = min(self.tail_limit, self.tail_size + len(data))


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


class Supervisor:
    def __init__(self, folder: str, wake: int, control: int, order: Order) -> None:
        self.folder, self.wake, self.control, self.order = folder, wake, control, order
        self.grace = order.numbers["kill_grace"]
        self.sinks: list[Sink] = []
        self.pid = 0
        self.status: int | None = None
        self.reason = "exited"
        self.tree = ""
        self.started = self.ended = 0.0
        self.stop_at = self.kill_at = 0.0

    # -- start ---------------------------------------------------------------------------------------------------

    def spawn(self) -> None:
        pipes: list[int] = []
        for name in ("stdout", "stderr"):
            source, sink = os.pipe()
            os.set_blocking(source, False)
            pipes.append(sink)
            head, tail = int(self.order.numbers["head"]), int(self.order.numbers["tail"])
            self.sinks.append(Sink(f"{self.folder}/{name}", source, head, tail))
        self.mask()
        self.started = time.monotonic()
        self.pid = _spawn_as_user(self.order, pipes) if self.order.ids else _spawn(self.order, pipes)
        for sink in pipes:
            os.close(sink)
        self.stop_at = self.started + self.order.numbers["time_limit"]
        _offer_to_the_oom_killer(self.pid)
        self.write_down("started", {"pid": self.pid, "started": self.started}, is_durable=False)
        self.tell(b"s")

    def mask(self) -> None:
        """Loaded only when there is something to hide: what cannot be masked must not start."""
        if self.order.masked:
            masker = __import__("watchbill_mask").Masker
            for sink in self.sinks:
                sink.masker = masker(self.order.masked)

    # -- the loop ------------------------------------------------------------------------------------------------

    def watch(self, signalled: int) -> None:
        poll = select.poll()
        for descriptor in (self.control, signalled, *(sink.source for sink in self.sinks)):
            poll.register(descriptor, select.POLLIN)
        while not self.is_done():
            timeout = max(0.0, self.next_moment() - time.monotonic())
            ready = {descriptor for descriptor, _ in poll.poll(timeout * 1000 + 1)}
            if signalled in ready:
                os.read(signalled, 4096)
            self.pump(poll, ready)
            self.reap()
            if self.control in ready:
                self.obey()
            self.pass_moments()
        self.finish()

    def next_moment(self) -> float:
        return self.kill_at or self.stop_at

    def pump(self, poll: select.poll, ready: set[int]) -> None:
        for sink in self.sinks:
            if sink.is_open and sink.source in ready:
                descriptor, had = sink.source, sink.head_size
                if sink.take() == 0:
                    poll.unregister(descriptor)
                if sink.head_size > had:
                    self.tell(b"o")

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status, self.ended = status, time.monotonic()
                # What it left behind may finish writing, for a short while.
                self.kill_at = min(self.kill_at or self.ended + LINGER_SECONDS, self.ended + LINGER_SECONDS)

    def is_done(self) -> bool:
        return self.status is not None and (not _has_children() or bool(self.tree))

    def obey(self) -> None:
        words = os.read(self.control, 4096).split()
        if self.status is None and words[:1] == [b"cancel"]:
            self.grace = float(words[1])
            self.begin_stop("cancelled")

    def pass_moments(self) -> None:
        now = time.monotonic()
        if self.status is None and not self.kill_at and now >= self.stop_at:
            self.begin_stop("timed_out")
        if self.kill_at and now >= self.kill_at:
            self.kill_tree()

    def begin_stop(self, reason: str) -> None:
        if self.reason == "exited":
            self.reason = reason
        for pid in _descendants():
            _signal(pid, SIGTERM)
            _signal(pid, SIGCONT)  # a stopped process could not hear the first
        wanted = time.monotonic() + self.grace
        self.kill_at = min(self.kill_at or wanted, wanted)

    def kill_tree(self) -> None:
        """Stop first, then kill: what is stopped cannot fork away between two looks at the table."""
        bound = time.monotonic() + KILL_BOUND_SECONDS
        seen: set[int] = set()
        while fresh := set(_descendants()) - seen:
            for pid in fresh:
                _signal(pid, SIGSTOP)
            seen |= fresh
        while time.monotonic() < bound:
            left = _descendants()
            if not left and self.status is not None:
                self.tree = "stopped"
                return
            for pid in left:
                _signal(pid, SIGKILL)
            for sink in self.sinks:
                if sink.is_open:
                    sink.take()
            time.sleep(0.005)
            self.reap()
        self.tree = "survived"
        if self.status is None:
            self.status, self.ended = SIGKILL, time.monotonic()

    # -- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        for sink in self.sinks:
            while sink.is_open and sink.take() > 0:
                continue
            sink.flush()
        code = os.waitstatus_to_exitcode(self.status or 0)
        facts: dict[str, object] = {"outcome": self.reason, "started": self.started, "ended": self.ended}
        facts["signal" if code < 0 else "exit_code"] = abs(code)
        facts["tree"] = self.tree or "stopped"
        for name, sink in zip(("stdout", "stderr"), self.sinks):
            facts[f"{name}_total"] = sink.total
            facts[f"{name}_head"] = sink.head_size
            facts[f"{name}_tail"] = sink.tail_size
        self.write_down("result", facts, is_durable=True)

    def write_down(self, name: str, facts: dict[str, object], *, is_durable: bool) -> None:
        text = "".join(f"{key}={value}\n" for key, value in facts.items()).encode()
        path = f"{self.folder}/{name}"
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        _write_all(descriptor, text, 0)
        if is_durable:
            os.fsync(descriptor)
        os.close(descriptor)
        os.rename(f"{path}.new", path)
        if is_durable:
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def tell(self, what: bytes) -> None:
        """Wake the agent, if it lives; a full pipe will wake it anyway."""
        try:
            os.write(self.wake, what)
        except OSError:
            return


def _spawn(order: Order, pipes: list[int]) -> int:
    return os.posix_spawn(
        order.argv[0],
        order.argv,
        order.environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_DUP2, sink, target) for target, sink in enumerate(pipes, 1)),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=DEFAULTED_SIGNALS,
    )


def _spawn_as_user(order: Order, pipes: list[int]) -> int:
    """A start that changes the account cannot be asked of posix_spawn. Why it failed comes back through a pipe that a start closes."""
    import signal

    problem, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become(order, pipes)
            for number in DEFAULTED_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execve(order.argv[0], order.argv, order.environment)
        except OSError as error:
            os.write(told, str(error.errno or 0).encode())
        finally:
            os._exit(127)
    os.close(told)
    why = os.read(problem, 16)
    os.close(problem)
    if why:
        os.waitpid(pid, 0)
        raise OSError(int(why), os.strerror(int(why)))
    return pid


def _become(order: Order, pipes: list[int]) -> None:
    """In the new process: nothing of this one's account, files, folder or mask is left when the script begins."""
    os.setsid()
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for target, sink in enumerate(pipes, 1):
        os.dup2(sink, target)
    uid, gid, *groups = order.ids
    if os.geteuid() == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.umask(0o022)
    try:
        os.chdir(order.folder)
    except OSError:  # the home is not there, or not to be entered: its own temporary folder always is
        os.chdir(order.environment[b"TMPDIR"])


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return


def _descendants() -> list[int]:
    """Everything below this process. As the subreaper it inherits every orphan, so nothing can leave the tree."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            state, parent = _state_and_parent(name)
            if state not in ("", "Z"):
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _state_and_parent(pid: str) -> tuple[str, int]:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "", 0
    return (fields[0].decode(), int(fields[1])) if len(fields) > 1 else ("", 0)


def _offer_to_the_oom_killer(pid: int) -> None:
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        return


def _become_subreaper() -> None:
    """`ctypes` itself would cost four milliseconds; its C half does the same call."""
    itself = vars(_ctypes)["dlopen"](None, 0)
    prctl = _ctypes.dlsym(itself, "prctl")
    if _ctypes.call_function(prctl, (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) != 0:
        raise OSError("the kernel does not let this process adopt orphans")


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _listen_for_children() -> int:
    """Imported only now: `signal` takes longer to load than a small script to run."""
    import signal

    receiver, sender = os.pipe()
    os.set_blocking(receiver, False)
    os.set_blocking(sender, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.write(sender, b"\0")  # a child may have ended before anyone listened
    return receiver


def main(folder: str, wake: int, control: int) -> None:
    for descriptor in (wake, control):
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
    supervisor = Supervisor(folder, wake, control, Order(_read_all(0)))
    try:
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _become_subreaper()
        supervisor.spawn()
    except (OSError, NotImplementedError, ImportError) as error:
        supervisor.write_down("result", {"outcome": "spawn_failed", "error": str(error)[:500]}, is_durable=True)
        return
    supervisor.watch(_listen_for_children())
