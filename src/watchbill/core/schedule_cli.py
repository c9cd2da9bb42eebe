"""Owns `python -m watchbill.core.schedule`: the calendar asked from a shell, one schedule or a file of them, for comparison with
other engines. It computes nothing itself, and a wrong line of a batch is answered, never a crash.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from watchbill.core.schedule import ScheduleProblems, anchored, instants_after, never_fires, parse

MOST: Final = 10_000


def main(arguments: list[str]) -> int:
    """Run the command; 0 when it was answered, 2 when the single schedule asked for is wrong."""
    options = _parser().parse_args(arguments)
    try:
        if options.batch is None:
            answers = _instants(json.loads(options.spec), options.after, options.count)
        else:
            answers = [json.dumps(_answer(line)) for line in _lines(options.batch) if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{answer}\n" for answer in answers)
    return 0


def _lines(source: str) -> list[str]:
    # Not splitlines: it also splits at separators that JSON allows inside a string.
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8", errors="replace")
    return text.split("\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m watchbill.core.schedule")
    following = parser.add_subparsers(required=True).add_parser("next", help="print the next instants in UTC")
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
            return {"id": None, "error": 'a line must be an object {"id","schedule","after","n"}'}
        identity = question.get("id")
        return {
            "id": identity,
            "instants": _instants(question.get("schedule"), question.get("after"), question.get("n", 1)),
        }
    except ScheduleProblems as error:
        problems = [{"field": one.field, "code": one.code, "message": one.message} for one in error.problems]
        return {"id": identity, "error": str(error), "errors": problems}
    except (ValueError, RecursionError) as error:
        return {"id": identity, "error": str(error)}


def _instants(spec: object, after: object, count: object) -> list[str]:
    if not isinstance(spec, dict):
        raise ValueError('schedule: must be an object such as {"type":"daily","start":"2026-05-04T07:00"}')  # noqa: TRY004 - one kind of error for bad input
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise ValueError(f"n: must be a whole number from 1 to {MOST}")
    begin = _instant(after)
    schedule = anchored(parse(spec), begin)
    found = [f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in islice(instants_after(schedule, begin), count)]
    problem = None if found else never_fires(schedule)
    if problem:
        raise ScheduleProblems([problem])
    return found


def _instant(text: object) -> datetime:
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        if instant and instant.tzinfo:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"after: {text!r} must be an instant with its offset, such as 2026-05-04T07:00:00Z")
