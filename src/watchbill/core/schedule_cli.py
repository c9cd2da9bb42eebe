"""Owns `python -m watchbill.core.schedule`: the calendar asked from a shell, one schedule or a file of them, for comparison with
other engines. It computes nothing itself, and a wrong line of a batch is answered, never a crash.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from watchbill.core.fields import is_integer, shown
from watchbill.core.schedule import Problem, Schedule, ScheduleProblems, anchored, instants_after, never_fires, parse

MOST: Final = 10_000
_STATUS: Final = (
    "Exit status: 0 when everything was answered, which a batch is also when lines of it were wrong: such a line is answered "
    'with {"id","error"}, blank lines are passed over. 2 when the one --spec is wrong or the file cannot be read.'
)


def main(arguments: list[str]) -> int:
    """Run the command; 0 when it was answered, 2 when the single schedule asked for is wrong or the file cannot be read."""
    options = _parser().parse_args(arguments)
    try:
        answers = _single(options) if options.batch is None else _batch(options.batch)
        for answer in answers:
            sys.stdout.write(f"{answer}\n")
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _single(options: argparse.Namespace) -> list[str]:
    return _instants(json.loads(options.spec), options.after, options.count)


def _batch(source: str) -> Iterator[str]:
    """One answer for each line that is not blank, as soon as it is known."""
    if source == "-":
        yield from map(_as_line, _answers(sys.stdin.buffer))
        return
    with Path(source).open("rb") as lines:
        yield from map(_as_line, _answers(lines))


def _answers(lines: Iterable[bytes]) -> Iterator[dict[str, object]]:
    # Bytes end a line at a line feed alone: JSON allows other separators inside a string.
    return (_answer(line.decode("utf-8-sig", errors="replace")) for line in lines if line.strip())


def _as_line(answer: dict[str, object]) -> str:
    try:
        return json.dumps(answer, allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps({"id": None, "error": "id: must be a value that JSON can hold, best a text or a number"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m watchbill.core.schedule")
    following = parser.add_subparsers(required=True).add_parser(
        "next",
        help="print the next instants in UTC",
        description="Print the next instants of schedules in UTC.",
        epilog=_STATUS,
    )
    which = following.add_mutually_exclusive_group(required=True)
    which.add_argument("--spec", help="a schedule object as in the API, as JSON")
    which.add_argument("--batch", help='a file of JSON lines {"id","schedule","after","n"}; - reads standard input')
    following.add_argument("--after", help="an instant such as 2026-05-04T07:00:00Z; instants are strictly later")
    following.add_argument("--count", type=int, default=1, help="how many instants (default 1)")
    return parser


def _answer(line: str) -> dict[str, object]:
    identity = None
    try:
        question = json.loads(line)
        if not isinstance(question, dict):
            raise ValueError('a line must be an object {"id","schedule","after","n"}')  # noqa: TRY004, TRY301 - one kind of error for bad input
        identity = question.get("id")
        return {
            "id": identity,
            "instants": _instants(question.get("schedule"), question.get("after"), question.get("n", 1)),
        }
    except ScheduleProblems as error:
        problems = [{"field": one.field, "code": one.code, "message": one.message} for one in error.problems]
        return {"id": identity, "error": str(error), "errors": problems}
    except (ValueError, ArithmeticError, RecursionError) as error:
        return {"id": identity, "error": str(error)}


def _instants(spec: object, after: object, count: object) -> list[str]:
    problems: list[Problem] = []
    schedule, begin, number = _schedule(spec, problems), _instant(after, problems), _number(count, problems)
    if schedule is None or begin is None or number is None:
        raise ScheduleProblems(problems)
    schedule = anchored(schedule, begin)
    found = [f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in islice(instants_after(schedule, begin), number)]
    problem = None if found else never_fires(schedule)
    if problem:
        raise ScheduleProblems([problem])
    return found


def _schedule(spec: object, problems: list[Problem]) -> Schedule | None:
    if not isinstance(spec, dict):
        form = '{"type":"daily","start":"2026-05-04T07:00"}'
        problems.append(Problem("schedule", "wrong_type", f"must be an object such as {form}"))
        return None
    try:
        schedule = parse(spec)
    except ScheduleProblems as error:
        problems += error.problems
        return None
    if schedule.is_following:
        why = "names no instants by itself; give a timezone instead, to see those of one zone"
        problems.append(Problem("timezone_source", "not_allowed", why))
        return None
    return schedule


def _instant(text: object, problems: list[Problem]) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        if instant and instant.tzinfo:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    why = f"{shown(text)} must be an instant with its offset, such as 2026-05-04T07:00:00Z"
    problems.append(Problem("after", "invalid_time", why))
    return None


def _number(count: object, problems: list[Problem]) -> int | None:
    if is_integer(count) and 1 <= count <= MOST:
        return count
    problems.append(Problem("n", "invalid_count", f"must be a whole number from 1 to {MOST}"))
    return None
