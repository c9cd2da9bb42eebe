"""`watchbill guard`: when the storm guard goes up after an outage, and how it lets go of what it holds."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from watchbill.apps.client.lengths import seconds_of, spoken
from watchbill.apps.client.session import Session, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("What holds late work after an outage, so that it does not start all at once.")
PATH = "/api/storm_guard"
_OPTIONS = "--on or --off, --after, --jobs, --trickle"


@command(app, "show")
def show(session: Session) -> None:
    """Whether the storm guard is up, when it goes up, and at which pace it lets go."""
    found = session.api.get(PATH)
    if session.out.is_json:
        session.out.json(found)
    else:
        session.out.facts(_facts(found))


@command(app, "set")
def set_guard(
    session: Session,
    *,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it goes up at all.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="After an outage of this length, such as 10m: 2m to 7d.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="When at least so many jobs are owed late runs: 1 to 100000.")
    ] = None,
    trickle: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|none", help="Let go of so many each minute by itself: 1 to 6000; none = a person decides."
        ),
    ] = None,
) -> None:
    """Set the storm guard; what is not named stays as it is. A guard that is up stays up until what it holds is decided."""
    given: dict[str, object] = {}
    if enabled is not None:
        given["enabled"] = enabled
    if after is not None:
        given["after_seconds"] = seconds_of(after)
    if jobs is not None:
        given["least_jobs"] = jobs
    if trickle is not None:
        given["trickle_per_minute"] = _pace(trickle)
    if not given:
        raise CliError(f"Nothing to set: name some of {_OPTIONS}.", ExitCode.USAGE)
    before = {name: value for name, value in session.api.get(PATH).items() if name != "outage_id"}
    reply = session.api.put(PATH, {**before, **given})
    session.out.done(f"Set the storm guard: {_when(reply)}; {_how(reply)}.", reply)


def _pace(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise CliError(f"--trickle {text}: must be a number of occurrences a minute, or none.", ExitCode.USAGE)
    return int(text)


def _facts(found: Mapping[str, Any]) -> dict[str, object]:
    outage = found["outage_id"]
    is_up = f"up since outage {outage}; `watchbill away {outage}` shows and decides what it holds"
    return {"Guard": is_up if outage is not None else "down", "Goes up": _when(found), "Lets go": _how(found)}


def _when(found: Mapping[str, Any]) -> str:
    if not found["enabled"]:
        return "never, it is off"
    jobs = "1 job is" if found["least_jobs"] == 1 else f"{found['least_jobs']} jobs are"
    return f"after an outage of {spoken(found['after_seconds'])}, when at least {jobs} owed late runs"


def _how(found: Mapping[str, Any]) -> str:
    pace = found["trickle_per_minute"]
    return "a person lets go of what it holds" if pace is None else f"{pace} are let go each minute, the oldest first"
