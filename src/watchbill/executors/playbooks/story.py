"""What a playbook tells while it runs, sorted by host: the text of each host's own row, and its recap. Pure.

Alone on a device, a playbook's output is that device's. Shared, a row shows what concerns its host: the heads of plays and tasks, its own
results, and what is said of no host at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from watchbill.core import recap
from watchbill.core.recap import STATS_EVENT, Recap

#: Heads: said of no host, and shown to a host only with what follows for it.
_HEADS: Final = {"playbook_on_play_start": 0, "playbook_on_task_start": 1, "playbook_on_handler_task_start": 1}
#: What Ansible prints of all hosts at the end; each row has its own recap.
_OF_ALL: Final = frozenset({STATS_EVENT})


@dataclass(frozen=True, slots=True)
class Told:
    """Text for the row of one host."""

    host: str
    text: str


@dataclass
class _Host:
    recap: Recap = field(default_factory=Recap)
    #: Of the two kinds of heads, which one its row has shown last.
    shown: list[int] = field(default_factory=lambda: [0, 0])
    has_begun: bool = False


@dataclass
class Story:
    """Events in, text by host out."""

    hosts: Sequence[str]
    _hosts: dict[str, _Host] = field(init=False)
    _heads: list[tuple[int, str]] = field(default_factory=lambda: [(0, ""), (0, "")])
    _number: int = 0
    is_complete: bool = False

    def __post_init__(self) -> None:
        self._hosts = {host: _Host() for host in self.hosts}

    @property
    def _is_alone(self) -> bool:
        return len(self._hosts) == 1

    def add(self, event: Mapping[str, Any]) -> list[Told]:
        """What an event of the controller says, and to whom."""
        name, text, host = event["event"], event["text"], event.get("host")
        if name == STATS_EVENT:
            self._take_stats(event.get("stats") or {})
        if host in self._hosts:
            self._count(self._hosts[host], event)
        if self._is_alone:
            return self._told(self.hosts, _line(text))
        if name in _HEADS:
            self._head(_HEADS[name], _line(text))
            return []
        if host in self._hosts:
            return self._of_host(host, text)
        return [] if name in _OF_ALL else self._told(self.hosts, _line(text))

    def recaps(self) -> dict[str, Recap]:
        return {host: one.recap for host, one in self._hosts.items()}

    def recap_of(self, host: str) -> Recap:
        return self._hosts[host].recap

    def has_begun(self, host: str) -> bool:
        """Whether a task has begun on it, or has ended."""
        return self._hosts[host].has_begun

    def _count(self, host: _Host, event: Mapping[str, Any]) -> None:
        host.has_begun = True
        how = {"is_changed": bool(event.get("changed")), "is_ignored": bool(event.get("ignored"))}
        host.recap = recap.after(host.recap, event["event"], **how)

    def _take_stats(self, stats: Mapping[str, Any]) -> None:
        self.is_complete = True
        found = recap.of_stats(stats)
        for name, host in self._hosts.items():
            host.recap = found.get(name, Recap())

    def _head(self, kind: int, text: str) -> None:
        self._number += 1
        self._heads[kind] = (self._number, text)
        if kind == 0:
            self._heads[1] = (0, "")

    def _of_host(self, host: str, text: str) -> list[Told]:
        if not text:
            return []
        one = self._hosts[host]
        heads = []
        for kind, (number, head) in enumerate(self._heads):
            if number > one.shown[kind]:
                one.shown[kind] = number
                heads.append(head)
        return self._told([host], "".join(heads) + _line(text))

    def _told(self, hosts: Iterable[str], text: str) -> list[Told]:
        return [Told(host, text) for host in hosts] if text else []


def _line(text: str) -> str:
    """Events come without the line break that follows them."""
    if not text:
        return ""
    return text.replace("\r\n", "\n") + ("" if text.endswith("\n") else "\n")
