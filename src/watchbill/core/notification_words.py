"""Notifications in words: what happened, to how many devices, and where to look. Knows only the facts that were kept with each.

Counts are by site, so that nobody is told of devices in sites that they do not see.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from watchbill.core.notification_rules import MESSAGE, Event

Facts = Mapping[str, Any]
_GOOD: Final = frozenset({"success", "warning"})
_LEFT_OUT: Final = frozenset({"skipped"})
_LONGEST_SUBJECT: Final = 180
#: What a message may say, in characters; mail servers and receivers of webhooks take this much.
LONGEST_MESSAGE: Final = 20_000
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def counts_of(facts: Facts, sites: Collection[int] | None, name: str = "counts") -> dict[str, int]:
    """Devices by state, of these sites only; None = of all."""
    total: Counter[str] = Counter()
    for site, counts in facts.get(name, {}).items():
        if sites is None or int(site) in sites:
            total.update(counts)
    return dict(total)


def sentence(event: str, facts: Facts, sites: Collection[int] | None = None) -> str:
    """One sentence about one notification; of a message its subject."""
    if event == MESSAGE:
        return str(facts["subject"])
    return f"{facts['job_name']} {_said(Event(event), facts, sites)}."


def _said(event: Event, facts: Facts, sites: Collection[int] | None) -> str:
    if event in _BY_TIME:
        return _BY_TIME[event](facts)
    special = {Event.BRAKE_TRIPPED: "braked", Event.WAITING_EXPIRED: "expired"}.get(event)
    if special is not None:
        left = _number(counts_of(facts, sites, special).get(special, 0), "device")
        return _LEFT[special].format(left=left)
    return f"{_ENDED[event].format(streak=facts['streak'], failures=_number(facts['streak'], 'failure'))}{_on(facts, sites)}"


_LEFT: Final = {
    "braked": "was stopped by its brake: it was not started on {left}",
    "expired": "ended without {left} that stayed offline until the wait was over",
}
_ENDED: Final = {
    Event.FAILED: "failed",
    Event.FIRST_FAILURE: "failed for the first time since it last did well",
    Event.FAILURES_IN_A_ROW: "failed {streak} times in a row",
    Event.RECOVERED: "works again after {failures}",
}


def _skipped(facts: Facts) -> str:
    return f"was skipped at {facts['scheduled_for_at']}{_because(facts)}"


def _not_started(facts: Facts) -> str:
    return f"has not started on any device {_length(facts['waited_seconds'])} after it was due{_because(facts)}"


def _slower(facts: Facts) -> str:
    usual = _length(facts["usual_seconds"])
    return f"takes longer than usual: {_length(facts['took_seconds'])} by now, and {usual} is usual"


def _missed(facts: Facts) -> str:
    number = facts["range_count"]
    if number == 1:
        return f"was missed at {facts['scheduled_for_at']}{_because(facts)}"
    return f"was missed {number} times, from {facts['scheduled_for_at']} to {facts['range_end_at']}{_because(facts)}"


_BY_TIME: Final[Mapping[Event, Callable[[Facts], str]]] = {
    Event.MISSED: _missed,
    Event.SKIPPED: _skipped,
    Event.NOT_STARTED: _not_started,
    Event.SLOWER_THAN_USUAL: _slower,
}


def _because(facts: Facts) -> str:
    return f" ({facts['reason']})" if facts.get("reason") else ""


def _on(facts: Facts, sites: Collection[int] | None) -> str:
    """On how many devices, or with how many steps of a workflow: those that were to run, and of them those that did not do well."""
    counts, what = counts_of(facts, sites), facts.get("counted", "device")
    meant = sum(number for state, number in counts.items() if state not in _LEFT_OUT)
    bad = meant - sum(counts.get(state, 0) for state in _GOOD)
    if not meant:
        return ""
    return f": {bad} of {_number(meant, what)} did not succeed" if bad else f": {_number(meant, what)} succeeded"


def _number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _length(seconds: float) -> str:
    """A length of time as people say it, to two places."""
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    said = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(said[:2]) or "0 s"


def subject(sentences: Sequence[str]) -> str:
    """One line for an inbox: no character in it could begin another header."""
    text = sentences[0].rstrip(".") if len(sentences) == 1 else f"{len(sentences)} notifications"
    return _line(f"[Watchbill] {text}")


def _line(text: str) -> str:
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"


def message_subject(said: str, otherwise: str) -> str:
    """What a workflow gave as a subject, as one line; a line about the workflow `otherwise` where it is blank."""
    return _line(said) or _line(f"A message of {otherwise}")


def message_text(said: str) -> str:
    """What a workflow gave as a text, as the database and every receiver take it: without what they refuse, and of a bounded length."""
    text = _UNSTORABLE.sub("\ufffd", said).strip()
    left_out = len(text) - LONGEST_MESSAGE
    return text if left_out <= 0 else f"{text[:LONGEST_MESSAGE]}…\n({left_out} characters more were left out.)"
