"""Owns matching by patterns: all states at once, one step per character, so no pattern makes it slow. Knows no syntax."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from watchbill.core.filter_regex_sets import Ranges, contains
from watchbill.core.filter_regex_tree import Branches, Chars, End, Node, Pattern, Repeat, Sequence, Start
from watchbill.core.filter_text import fold


@dataclass(frozen=True, slots=True)
class _Read:
    ranges: Ranges
    then: int


@dataclass(frozen=True, slots=True)
class _Guard:
    is_start: bool
    then: int


@dataclass(frozen=True, slots=True)
class _Fork:
    thens: tuple[int, ...]


_Step = _Read | _Guard | _Fork
#: The state in which a match is found; the program begins behind it.
_FOUND = 0


@dataclass(frozen=True, slots=True)
class _Program:
    steps: tuple[_Step, ...]
    start: int


def search(pattern: Pattern, text: str) -> bool:
    """Whether the pattern matches anywhere in the text, case ignored. In SQL: `translate(text, …) ~ written(pattern)`."""
    program = _program(pattern.tree)
    subject = fold(text)
    states = _reached(program, (), at=0, length=len(subject))
    for at, char in enumerate(subject, 1):
        if _FOUND in states:
            return True
        states = _reached(program, _moved(program, states, ord(char)), at=at, length=len(subject))
    return _FOUND in states


def _moved(program: _Program, states: Iterable[int], code: int) -> Iterable[int]:
    for state in states:
        step = program.steps[state]
        if isinstance(step, _Read) and contains(step.ranges, code):
            yield step.then


def _reached(program: _Program, states: Iterable[int], *, at: int, length: int) -> set[int]:
    """All states that need no further character, from those given and from a match that begins here."""
    found: set[int] = set()
    waiting = [program.start, *states]
    while waiting:
        state = waiting.pop()
        if state in found:
            continue
        found.add(state)
        step = program.steps[state]
        if isinstance(step, _Fork):
            waiting.extend(step.thens)
        elif isinstance(step, _Guard) and at == (0 if step.is_start else length):
            waiting.append(step.then)
    return found


@lru_cache(maxsize=512)
def _program(tree: Node) -> _Program:
    steps: list[_Step] = [_Fork(())]
    start = _written(steps, tree, _FOUND)
    return _Program(tuple(steps), start)


def _added(steps: list[_Step], step: _Step) -> int:
    steps.append(step)
    return len(steps) - 1


def _written(steps: list[_Step], node: Node, then: int) -> int:
    """Write the steps of `node`, which go on at `then`; the state in which they begin."""
    match node:
        case Chars(ranges=ranges):
            return _added(steps, _Read(ranges, then))
        case Start() | End():
            return _added(steps, _Guard(isinstance(node, Start), then))
        case Sequence(items=items):
            for item in reversed(items):
                then = _written(steps, item, then)
            return then
        case Branches(options=options):
            return _added(steps, _Fork(tuple(_written(steps, option, then) for option in options)))
        case Repeat():
            return _repeated(steps, node, then)
        case _:
            assert_never(node)


def _repeated(steps: list[_Step], node: Repeat, then: int) -> int:
    if node.high is not None:
        return _copied(steps, node.item, _optional(steps, node.item, then, node.high - node.low), node.low)
    loop = _looped if node.low == 0 else _once_or_more
    return _copied(steps, node.item, loop(steps, node.item, then), node.low - 1)


def _copied(steps: list[_Step], item: Node, then: int, times: int) -> int:
    for _ in range(times):
        then = _written(steps, item, then)
    return then


def _optional(steps: list[_Step], item: Node, then: int, times: int) -> int:
    """Up to `times` copies, each of which may be the last."""
    end = then
    for _ in range(times):
        then = _added(steps, _Fork((_written(steps, item, then), end)))
    return then


def _looped(steps: list[_Step], item: Node, then: int) -> int:
    fork = _added(steps, _Fork(()))
    steps[fork] = _Fork((_written(steps, item, fork), then))
    return fork


def _once_or_more(steps: list[_Step], item: Node, then: int) -> int:
    fork = _added(steps, _Fork(()))
    begin = _written(steps, item, fork)
    steps[fork] = _Fork((begin, then))
    return begin
