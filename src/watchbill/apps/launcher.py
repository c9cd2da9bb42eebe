"""Site workers come and go with the work: started for sites that have some, retired when idle or when other sites wait.

A bounded number serves any number of sites: who has no work left makes room, and who has worked long enough takes turns.
"""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field

from sqlalchemy.exc import InterfaceError, OperationalError

from watchbill import jobs, queue
from watchbill.apps.wiring import Engine, database_url
from watchbill.kit import instances, log
from watchbill.kit.child_process import ChildProcess
from watchbill.kit.service import Wake

#: Looks for work without being called at least this often.
REST_SECONDS = 10.0
#: With other sites waiting, a worker gives its place away after this long.
TURN_SECONDS = 10.0
#: A worker is started ahead of jobs that fall due this soon, so that they do not wait for it.
AHEAD_SECONDS = 30

_logger = log.get("launcher")


@dataclass
class _Worker:
    site_id: int
    process: ChildProcess
    since: float
    is_leaving: bool = False


@dataclass
class SiteWorkers:
    """A service that keeps site workers running on this host, at most `settings.site_workers`. Does nothing under launcher `none`."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    channel: str = queue.CHANNEL
    _workers: dict[int, _Worker] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        if self.engine.settings.launcher == "none":
            await stop.wait()
            return
        try:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    try:
                        await self._serve(group)
                    except (OperationalError, InterfaceError) as error:
                        # Workers outlive a database that is away for a moment.
                        _logger.warning("launcher.waits", error=str(error).splitlines()[0])
                    await self.wake.wait(stop, REST_SECONDS)
                self._retire(list(self._workers.values()))
        finally:
            for worker in self._workers.values():
                worker.process.kill_group()
                worker.process.close()
            self._workers.clear()

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            queued = await queue.sites_with_work(tx, now)
            soon = await jobs.sites_due_within(tx, now, AHEAD_SECONDS)
            elsewhere = {one.site_id for one in await instances.live(tx, now, "site_worker")}
        wanted = [site for site in queued if site not in self._workers]
        ahead = [site for site in soon if site not in queued and site not in elsewhere | self._workers.keys()]
        free = self.engine.settings.site_workers - len(self._workers)
        for site_id in (wanted + ahead)[: max(free, 0)]:
            self._start(group, site_id)
        if len(wanted) > free:
            self._make_room(set(queued), len(wanted) - max(free, 0))

    def _make_room(self, queued: set[int], places: int) -> None:
        now = asyncio.get_running_loop().time()
        staying = [worker for worker in self._workers.values() if not worker.is_leaving]
        idle = [worker for worker in staying if worker.site_id not in queued]
        had_turn = [w for w in staying if w.site_id in queued and now - w.since > TURN_SECONDS]
        already = len(self._workers) - len(staying)
        ordered = idle + sorted(had_turn, key=lambda worker: worker.since)
        self._retire(ordered[: max(places - already, 0)])

    def _retire(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.is_leaving = True
            worker.process.send(signal.SIGTERM)

    def _start(self, group: asyncio.TaskGroup, site_id: int) -> None:
        environment = {**os.environ, "WATCHBILL_DATABASE_URL": database_url(self.engine.settings)}
        process = ChildProcess(
            [sys.executable, "-m", "watchbill.apps.cli", "site-worker", "--site", str(site_id)],
            env=environment,
            cwd=None,
            account=None,
            death_signal=signal.SIGTERM,
            on_line=_pass_on,
        )
        worker = _Worker(site_id, process, asyncio.get_running_loop().time())
        self._workers[site_id] = worker
        _logger.info("worker.started", site=site_id, pid=process.pid)
        group.create_task(self._watch(worker))

    async def _watch(self, worker: _Worker) -> None:
        await worker.process.ended.wait()
        _logger.info("worker.ended", site=worker.site_id, pid=worker.process.pid, status=worker.process.returncode)
        worker.process.close()
        self._workers.pop(worker.site_id, None)
        if worker.process.returncode:
            await asyncio.sleep(1)  # a worker that cannot start is not started in a tight loop
        self.wake.ring()


def _pass_on(line: str) -> None:
    sys.stderr.write(line.rstrip("\n") + "\n")
