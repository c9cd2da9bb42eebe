"""The recap of a playbook on one host: Ansible's counters, from its events and never from its text. Pure.

While a play runs the counters are added up event by event, as Ansible's own statistics do; what it says at the end counts
instead, because only Ansible knows which failures a `rescue` has made good.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

#: Ansible's names of the counters in its last event, and ours.
_STATS: Final[Mapping[str, str]] = {
    "ok": "ok",
    "changed": "changed",
    "dark": "unreachable",
    "failures": "failed",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}
STATS_EVENT: Final = "playbook_on_stats"


@dataclass(frozen=True, slots=True)
class Recap:
    """How many tasks came out how on one host. `ok` counts those that changed something too, and failures that were ignored."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0

    @property
    def is_empty(self) -> bool:
        """Nothing was said of the host: no play was meant for it, or none got to it."""
        return self == _NOTHING

    def plus(self, other: "Recap") -> "Recap":
        return Recap(*(getattr(self, name) + getattr(other, name) for name in COUNTERS))

    def to_json(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTERS}


COUNTERS: Final = tuple(field.name for field in fields(Recap))
_NOTHING: Final = Recap()


def from_json(stored: Mapping[str, Any]) -> Recap:
    """A recap that was stored; a counter that is not there is 0."""
    return Recap(**{name: int(stored.get(name, 0)) for name in COUNTERS})


def total(recaps: Iterable[Recap]) -> Recap:
    whole = Recap()
    for one in recaps:
        whole = whole.plus(one)
    return whole


def of_stats(data: Mapping[str, Any]) -> dict[str, Recap]:
    """The recaps by host of Ansible's last event, the data of `playbook_on_stats`."""
    recaps: dict[str, Recap] = {}
    for theirs, ours in _STATS.items():
        for host, number in _numbers(data.get(theirs)):
            recaps[host] = replace(recaps.get(host, _NOTHING), **{ours: number})
    return recaps


def _numbers(counts: object) -> Iterable[tuple[str, int]]:
    if not isinstance(counts, Mapping):
        return ()
    return [(str(host), number) for host, number in counts.items() if isinstance(number, int) and number > 0]


def after(recap: Recap, event: str, *, is_changed: bool = False, is_ignored: bool = False) -> Recap:
    """The recap once more has happened on its host: `event` is Ansible's name of it; what counts nothing changes nothing."""
    match event:
        case "runner_on_ok":
            return replace(recap, ok=recap.ok + 1, changed=recap.changed + is_changed)
        case "runner_on_skipped":
            return replace(recap, skipped=recap.skipped + 1)
        case "runner_on_unreachable":
            return replace(recap, unreachable=recap.unreachable + 1)
        case "runner_on_failed" if is_ignored:
            return replace(recap, ok=recap.ok + 1, changed=recap.changed + is_changed, ignored=recap.ignored + 1)
        case "runner_on_failed":
            return replace(recap, failed=recap.failed + 1)
        case _:
            return recap


EndReason = Literal["unreachable", "no_hosts_matched", "playbook_failed"]


@dataclass(frozen=True, slots=True)
class End:
    """What a playbook came to on one host. `exit_code` as `ansible-playbook` would have it for this host alone: 0, 2 or 4."""

    exit_code: int
    reason: EndReason | None = None


def end_of(recap: Recap, exit_code: int, *, is_complete: bool = True) -> End:
    """How it ended for a host, from its recap and the exit code of `ansible-playbook`, which speaks of all hosts.

    An error before the first task leaves all recaps empty, and so does a play that is meant for other hosts. One that is not complete,
    because Ansible's last word is missing, may lack the very failure that the exit code tells of.
    """
    if not is_complete:
        return End(0) if exit_code == 0 else End(exit_code, "playbook_failed")
    if recap.failed:
        return End(2)
    if recap.unreachable:
        return End(4, "unreachable")
    if not recap.is_empty:
        return End(0)
    if exit_code == 0:
        return End(2, "no_hosts_matched")
    return End(exit_code, "playbook_failed")
