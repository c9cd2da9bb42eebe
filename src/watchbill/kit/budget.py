"""A bound on the processor time of pure computations. Interrupts them wherever they are, so it is only for code without effects."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: The processor time that evaluating one job's schedule may take; beyond it the job is in error.
EVALUATION_SECONDS = 0.25
_AGAIN = 0.05
#: What a fault in a computation may raise: in its rules, or in what they make of a strange calendar.
_FAULTS = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError)


class OverBudgetError(Exception):
    """A computation took more processor time than it was given."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a computation ended in instead of a result, in words."""

    why: str


@dataclass
class Budget:
    """A context in which each computation gets `seconds` of the process's processor time.

    Time in which others had the processor does not count: a busy machine must not make an innocent computation guilty. Signals
    reach the main thread only; in any other a computation is measured, and refused at its end. Not to be nested.
    """

    seconds: float
    _is_armed: bool = field(default=False, init=False)
    _before: Any = field(default=None, init=False)
    _can_interrupt: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        if self._can_interrupt:
            self._before = signal.signal(signal.SIGPROF, self._expired)
        return self

    def __exit__(self, *_: object) -> None:
        if self._can_interrupt:
            signal.signal(signal.SIGPROF, self._before)

    def run(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `compute`; OverBudgetError when it takes too long, raised in the middle of it."""
        return (self._interrupted if self._can_interrupt else self._measured)(compute, *args, **kwargs)

    def attempt(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Fault:
        """The same, where one computation that fails or takes too long must not stop those of others."""
        try:
            return self.run(compute, *args, **kwargs)
        except OverBudgetError:
            limit = round(self.seconds * 1000)
            return Fault(f"Computing its due times took more than {limit} ms of processor time: simplify the schedule.")
        except _FAULTS as fault:
            return Fault(f"Its due times cannot be computed: {type(fault).__name__}: {fault}")

    def _interrupted(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            self._is_armed = True
            # Again and again: an exception raised while the collector calls something back is swallowed there.
            signal.setitimer(signal.ITIMER_PROF, self.seconds, _AGAIN)
            return compute(*args, **kwargs)
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _measured(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.thread_time()
        result = compute(*args, **kwargs)
        if time.thread_time() - began > self.seconds:
            raise OverBudgetError
        return result

    def _expired(self, _signal: int, _frame: FrameType | None) -> None:
        # A signal that was on its way when the computation ended means nothing any more.
        if self._is_armed:
            raise OverBudgetError
