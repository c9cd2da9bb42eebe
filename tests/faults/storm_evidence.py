"""What a storm left behind, and what in it breaks the promise: nothing is lost, nothing is done twice. Pure, so that it is tested itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What each script of a storm writes last.
LAST_WORDS = "end\n"
#: So many executions may be interrupted, and one more for each so many kills of agents: the moment in which it can happen is short.
FEW, KILLS_EACH = 2, 10


@dataclass(frozen=True)
class Evidence:
    """As the API and the devices tell it when all is over.

    `occurrences` by the name of a job, as often as that name was saved; `rows` are device rows; `effects` says how often each
    execution did what it does, as devices themselves wrote it down; `outputs` what some executions wrote, by id; `agent_kills` how
    many agents died.
    """

    names: Sequence[str]
    devices: int
    occurrences: Mapping[str, Sequence[int]]
    rows: Sequence[Mapping[str, Any]]
    effects: Mapping[str, int]
    outputs: Mapping[str, str]
    agent_kills: int

    @property
    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows)

    @property
    def executions(self) -> list[Mapping[str, Any]]:
        return [one for row in self.rows for one in row["executions"]]


def broken(found: Evidence) -> list[str]:
    """Everything that must not be, a sentence each; empty when the promise was kept."""
    return [*_about_jobs(found), *_about_rows(found), *_about_effects(found), *_about_outputs(found)]


def _about_jobs(found: Evidence) -> Iterator[str]:
    for name in found.names:
        saved = found.occurrences.get(name, ())
        if len(saved) != 1:
            yield f"job {name} was saved {len(saved)} times"
        yield from (f"job {name} has {number} occurrences" for number in saved if number != 1)


def _about_rows(found: Evidence) -> Iterator[str]:
    expected = len(found.names) * found.devices
    if len(found.rows) != expected:
        yield f"{len(found.rows)} device rows of {expected}"
    seen = Counter((row["occurrence"], row["device"]["id"]) for row in found.rows)
    yield from (f"device {device} is twice in {occurrence}" for (occurrence, device), n in seen.items() if n > 1)
    for row in found.rows:
        name = f"target {row['target_id']}"
        # Killed between the note that it starts and the supervisor's first breath: nobody can know, so never again.
        if row["state"] != "success" and (row["state"], row["reason"]) != ("failed", "interrupted"):
            yield f"{name} is {row['state']} ({row['reason']})"
        if len(row["executions"]) != 1:
            yield f"{name} was handed out {len(row['executions'])} times"
        elif row["state"] == "failed" and not found.agent_kills:
            yield f"{name} was interrupted, and no agent was killed"
    most = FEW + found.agent_kills // KILLS_EACH
    if found.states["failed"] > most and found.agent_kills:
        yield f"{found.states['failed']} were interrupted by {found.agent_kills} kills of agents, more than {most}"


def _about_effects(found: Evidence) -> Iterator[str]:
    yield from (f"execution {name} ran {times} times" for name, times in found.effects.items() if times > 1)
    known = {one["id"] for one in found.executions}
    yield from (f"execution {name} ran, and no row tells of it" for name in found.effects if name not in known)
    for row in found.rows:
        if row["state"] == "success" and not any(found.effects.get(one["id"]) for one in row["executions"]):
            yield f"target {row['target_id']} is a success and never ran"


def _about_outputs(found: Evidence) -> Iterator[str]:
    for row in found.rows:
        for one in row["executions"] if row["state"] == "success" else ():
            if one["stdout_bytes"] != len(LAST_WORDS):
                yield f"execution {one['id']} has {one['stdout_bytes']} bytes of output"
    yield from (f"execution {name} wrote {text!r}" for name, text in found.outputs.items() if text != LAST_WORDS)
