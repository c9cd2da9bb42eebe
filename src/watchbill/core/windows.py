"""Owns the verdict of maintenance windows and blackouts: may work start at an instant, if not why, and when it may. Pure.

A blackout (`deny`) beats a maintenance window (`allow`); several maintenance windows are open when one of them is. What covers
which device is decided by the caller, who names the windows.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from watchbill.core.schedule_types import ScheduleProblems
from watchbill.core.window_spans import Spans, Stage
from watchbill.core.zones import Zone, find_zone

Kind = Literal["allow", "deny"]
WhenClosed = Literal["skip", "defer"]
ZoneSource = Literal["fixed", "site"]
Reason = Literal["blackout", "outside_window"]

#: How many changes of windows are gone through on the way to an open instant.
MOST_LOOKS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Window:
    """One window as it is stored. `cutoff` and `stop_at_end` belong to maintenance windows."""

    id: int
    name: str
    kind: Kind
    spans: Spans
    when_closed: WhenClosed = "skip"
    cutoff: timedelta = timedelta()
    stop_at_end: bool = False
    #: Why nothing can be told of it; it counts as closed then.
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether work may start. When it may not: why, what becomes of it, and the first open instant if one was found.

    `action` is `defer` only with an `opens_at`. `stop_at` says when work that starts now is to be stopped.
    """

    is_open: bool
    reason: Reason | None = None
    action: WhenClosed | None = None
    opens_at: datetime | None = None
    stop_at: datetime | None = None
    names: tuple[str, ...] = ()
    sentence: str | None = None


OPEN: Final = Verdict(is_open=True)


@dataclass(frozen=True, slots=True)
class _Look:
    """One window at one instant."""

    window: Window
    zone_name: str
    stage: Stage
    #: When work may start next, as far as this window is concerned; None = not as far as is looked.
    opens_at: datetime | None
    #: Why the window cannot be evaluated. It counts as closed: what cannot be read must not let work through.
    fault: str | None = None

    def blocks(self, at: datetime) -> bool:
        if self.fault is not None:
            return True
        if self.window.kind == "deny":
            return self.stage.is_inside
        return not self.stage.is_inside or self.is_too_late(at)

    def is_too_late(self, at: datetime) -> bool:
        """Whether the instant lies in the last part of an open window, in which nothing starts any more."""
        end = self.stage.until
        return self.stage.is_inside and end is not None and at > end - self.window.cutoff

    def sentence(self, at: datetime) -> str:
        name = f"`{self.window.name}`"
        if self.fault is not None:
            return f"{name} cannot be read and counts as closed: {self.fault}"
        opening = self._shown(self.opens_at) if self.opens_at else None
        if self.window.kind == "deny":
            return f"blackout {name} until {opening}" if opening else f"blackout {name}, whose end is not in sight"
        again = f"opens {opening}" if opening else "does not open again"
        if self.is_too_late(at):
            return f"`{self.window.name}` lets nothing start shortly before its end; it {again}"
        return f"outside {name}, which {again}"

    def _shown(self, at: datetime) -> str:
        zone = find_zone(self.zone_name) or Zone("UTC")
        return f"{zone.wall(at):%Y-%m-%d %H:%M} {zone.name}"


def _look(window: Window, site_zone: str, at: datetime) -> _Look:
    if window.fault is not None:
        return _unreadable(window, at, window.fault)
    try:
        timeline = window.spans.in_zone(site_zone)
    except ScheduleProblems as error:
        return _unreadable(window, at, str(error))
    stage = timeline.stage(at)
    opens_at = stage.until
    if window.kind == "allow" and stage.is_inside and stage.until is not None:
        opens_at = timeline.stage(stage.until).until  # beyond this stretch: asked only when it is too late for this one
    return _Look(window, window.spans.zone_name(site_zone), stage, opens_at)


def _unreadable(window: Window, at: datetime, fault: str) -> _Look:
    return _Look(window, "UTC", Stage(at, is_inside=window.kind == "deny", until=None), None, fault)


class WindowSet:
    """The enabled windows of one moment in the database."""

    def __init__(self, windows: Iterable[Window] = ()) -> None:
        self._windows = {window.id: window for window in windows}

    @property
    def is_empty(self) -> bool:
        return not self._windows

    def verdict(self, window_ids: Collection[int], site_zone: str, at: datetime, *, until: datetime) -> Verdict:
        """May work that these windows cover start at `at`? Ids not in the set are ignored.

        A negative id means that nobody can tell whether the window with this number covers it: it lets nothing start. `site_zone` is for windows in the zone of the device's site. An open instant is looked for up to `until`.
        """
        chosen = [self._chosen(one) for one in sorted(set(window_ids)) if abs(one) in self._windows]
        if not chosen:
            return OPEN
        looks = [_look(window, site_zone, at) for window in chosen]
        blocking = _blocking(looks, at)
        if not blocking:
            return Verdict(is_open=True, stop_at=_stop_at(chosen, site_zone, at))
        opens_at = _first_open(chosen, site_zone, blocking, until)
        skips = opens_at is None or any(look.window.when_closed == "skip" for look in blocking)
        return Verdict(
            is_open=False,
            reason="blackout" if any(look.window.kind == "deny" for look in blocking) else "outside_window",
            action="skip" if skips else "defer",
            opens_at=opens_at,
            names=tuple(look.window.name for look in blocking),
            sentence="; ".join(look.sentence(at) for look in blocking),
        )

    def _chosen(self, window_id: int) -> Window:
        window = self._windows[abs(window_id)]
        return window if window_id >= 0 else replace(window, fault="one of its filters cannot be asked")


def _blocking(looks: Sequence[_Look], at: datetime) -> list[_Look]:
    """The windows that keep work from starting; of maintenance windows either all do or none does."""
    denying = [look for look in looks if look.window.kind == "deny" and look.blocks(at)]
    allowing = [look for look in looks if look.window.kind == "allow"]
    return denying + (allowing if all(look.blocks(at) for look in allowing) else [])


def _first_open(
    chosen: Sequence[Window], site_zone: str, blocking: Sequence[_Look], until: datetime
) -> datetime | None:
    """The first instant no later than `until` at which nothing blocks, from a closed one on."""
    for _ in range(MOST_LOOKS):
        at = _next_change(blocking)
        if at is None or at > until:
            return None
        blocking = _blocking([_look(window, site_zone, at) for window in chosen], at)
        if not blocking:
            return at
    return None


def _next_change(blocking: Sequence[_Look]) -> datetime | None:
    """Before this instant nothing can start: every blackout must have ended, and one maintenance window must open."""
    denying = [look.opens_at for look in blocking if look.window.kind == "deny"]
    if denying:
        ends = [end for end in denying if end is not None]
        return max(ends) if len(ends) == len(denying) else None
    return min((look.opens_at for look in blocking if look.opens_at is not None), default=None)


def _stop_at(chosen: Sequence[Window], site_zone: str, at: datetime) -> datetime | None:
    """When work that starts now is stopped: at the end of the last window it lies in, if each of them stops its work."""
    allowing = [window for window in chosen if window.kind == "allow"]
    if not any(window.stop_at_end for window in allowing):
        return None
    for _ in range(MOST_LOOKS):
        inside = [look for window in allowing if (look := _look(window, site_zone, at)).stage.is_inside]
        if not inside:
            return at
        ends = [look.stage.until for look in inside if look.window.stop_at_end and look.stage.until is not None]
        if len(ends) < len(inside):
            return None
        at = max(ends)
    return at


def stretches(
    window: Window, site_zone: str, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime | None]]:
    """When a window is open (or its blackout holds) within [begin, end); an end of None lies beyond what is looked at."""
    return window.spans.in_zone(site_zone).stretches(begin, end)
