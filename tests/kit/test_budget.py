"""A computation that takes too long is interrupted where it is, and the next one is not harmed."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from watchbill.kit.budget import Budget, OverBudgetError


def burn(seconds: float) -> float:
    """Use the processor for that long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return seconds


def test_a_quick_computation_gives_its_result():
    with Budget(1) as budget:
        assert budget.run(divmod, 7, 2) == (3, 1)


def test_an_endless_one_is_interrupted_in_the_middle():
    began = time.monotonic()
    with Budget(0.05) as budget, pytest.raises(OverBudgetError):
        budget.run(burn, 3600)
    assert time.monotonic() - began < 30


def test_each_computation_has_its_own_budget():
    with Budget(0.1) as budget:
        assert [budget.run(burn, 0.03) for _ in range(6)] == [0.03] * 6
        with pytest.raises(OverBudgetError):
            budget.run(burn, 3600)
        assert budget.run(burn, 0.03) == 0.03


def test_time_spent_waiting_does_not_count():
    with Budget(0.05) as budget:
        budget.run(time.sleep, 0.2)


def test_nothing_is_left_behind():
    before = signal.getsignal(signal.SIGPROF)
    with Budget(0.02) as budget, pytest.raises(OverBudgetError):
        budget.run(burn, 3600)
    burn(0.1)
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_an_error_of_the_computation_passes_through():
    with Budget(1) as budget, pytest.raises(ZeroDivisionError):
        budget.run(divmod, 1, 0)


def test_in_another_thread_it_is_refused_at_its_end():
    def there() -> str:
        assert threading.current_thread() is not threading.main_thread()
        with Budget(0.02) as budget:
            try:
                budget.run(burn, 0.1)
            except OverBudgetError:
                return "refused"
        return "taken"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(there).result(30) == "refused"
