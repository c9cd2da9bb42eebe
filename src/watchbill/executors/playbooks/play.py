"""One run of a playbook on some devices, from its first event to its end, told as it happens."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from watchbill.core.recap import end_of
from watchbill.executors.base import End, Given, News, PlaybookPort
from watchbill.executors.playbooks.folder import Host
from watchbill.executors.playbooks.output import Masker, Output
from watchbill.executors.playbooks.process import Controller
from watchbill.executors.playbooks.story import Story

#: What has happened is told this often, or when there is so much of it.
_TELL_SECONDS: Final = 0.25
_TELL_BYTES: Final = 256 * 1024

Why = Literal["timed_out", "cancelled"]
Tidy = Callable[[], Awaitable[Collection[str]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of the output that are kept, of the beginning and of the end."""

    head_bytes: int
    tail_bytes: int


@dataclass
class Play:
    """Reads a controller and tells the port. `stopped`: executions that are to be stopped; it is looked at all the time.

    `tidy` ends what is left on devices when the controller has ended, and names the hosts where it could not.
    """

    run: PlaybookPort
    hosts: Sequence[Host]
    limits: Limits
    stopped: set[uuid.UUID]
    tidy: Tidy | None = None
    _news: News = field(default_factory=News)
    _bytes: int = 0
    _follow: list[Given] = field(default_factory=list)
    _left: Collection[str] = ()

    def __post_init__(self) -> None:
        self._story = Story([host.alias for host in self.hosts])
        self._by_alias = {host.alias: host for host in self.hosts}
        self._begun: set[str] = set()
        self._told = self._story.recaps()
        secrets = {secret for host in self.hosts for secret in host.given.secrets}
        self._masker = Masker(secrets)
        self._outputs = {host.alias: self._output(host.given) for host in self.hosts}

    def _output(self, given: Given) -> Output:
        return Output(given.execution_id, given.device_id, self.limits.head_bytes, self.limits.tail_bytes)

    async def watch(self, controller: Controller) -> list[Given]:
        """Until its end; what follows on it."""
        end, why = await self._read(controller)
        errors = controller.errors() if end is None and why is None else ""
        self._left = await self.tidy() if self.tidy else ()
        self._end(end, why, errors)
        await self._tell()
        return self._follow

    async def _read(self, controller: Controller) -> tuple[Mapping[str, Any] | None, Why | None]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(host.given.time_limit_seconds for host in self.hosts)
        next_tell, why, end = loop.time(), None, None
        while True:
            if why is None and (why := self._why_stop(deadline - loop.time())) is not None:
                controller.ask_to_stop()
            try:
                line = await controller.next_line(max(next_tell - loop.time(), 0.01))
            except EOFError:
                return end, why
            if line is not None and "end" in line:
                end = line
            elif line is not None:
                self._add(line)
            if loop.time() >= next_tell or self._bytes >= _TELL_BYTES:
                await self._tell()
                next_tell = loop.time() + _TELL_SECONDS

    def _why_stop(self, time_left: float) -> Why | None:
        if time_left <= 0:
            return "timed_out"
        return "cancelled" if all(host.given.execution_id in self.stopped for host in self.hosts) else None

    def _add(self, event: Mapping[str, Any]) -> None:
        for told in self._story.add(event):
            data = self._masker.masked(told.text)
            self._news.pieces += self._outputs[told.host].add(data)
            self._bytes += len(data)
        # The last event speaks of all hosts; the others change nothing but their own, and alone even what names no host has begun it.
        is_of_all = "stats" in event or len(self.hosts) == 1
        for alias in self._by_alias if is_of_all else [event.get("host")]:
            if alias in self._by_alias:
                self._note(alias)

    def _note(self, alias: str) -> None:
        execution = self._by_alias[alias].given
        if alias not in self._begun and (len(self.hosts) == 1 or self._story.has_begun(alias)):
            self._begun.add(alias)
            self._news.started[execution.execution_id] = execution.device_id
        recap = self._story.recap_of(alias)
        if recap != self._told[alias]:
            self._told[alias] = recap
            self._news.recaps[execution.execution_id] = recap

    async def _tell(self) -> None:
        if not self._news.is_nothing:
            news, self._news, self._bytes = self._news, News(), 0
            self._follow += await self.run.tell(news)

    def _end(self, end: Mapping[str, Any] | None, why: Why | None, errors: str) -> None:
        for host in self.hosts:
            output = self._outputs[host.alias]
            if end is None and why is None:
                self._news.pieces += output.add(self._masker.masked(f"{errors}\n")) if errors else []
            self._news.pieces += output.end()
            self._news.recaps[host.given.execution_id] = self._story.recap_of(host.alias)
            self._news.ends.append(self._end_of(host, output, end, why))

    def _end_of(self, host: Host, output: Output, end: Mapping[str, Any] | None, why: Why | None) -> End:
        # By SSH nothing tells that a command that had begun on the device has ended with its connection.
        may_go_on = not self.tidy and why is not None and self._story.has_begun(host.alias)
        is_gone = bool(end is None or end.get("is_gone", True)) and host.alias not in self._left and not may_go_on
        outcome: Literal["exited", "timed_out", "cancelled", "interrupted"] = why or "exited"
        code, reason, detail = None, None, None
        if why is None and end is None:
            outcome, detail = "interrupted", "What runs the playbook ended in the middle of it."
        elif why is None and end is not None:
            recap, code = self._story.recap_of(host.alias), int(end["end"] or 0)
            found = end_of(recap, code, is_complete=self._story.is_complete)
            code, reason = found.exit_code, found.reason
            detail = _SAYS.get(reason) if reason else None
        return End(
            execution_id=host.given.execution_id,
            device_id=host.given.device_id,
            outcome=outcome,
            exit_code=code,
            reason=reason,
            detail=detail,
            is_gone=is_gone,
            size=output.size,
            is_truncated=output.is_truncated,
            last_line=output.last_line,
        )


_SAYS: Final = {
    "unreachable": "Ansible could not reach the device any more.",
    "no_hosts_matched": "No play of this playbook is meant for this device, so nothing was done.",
    "playbook_failed": "Ansible could not run the playbook; its output says why.",
}
