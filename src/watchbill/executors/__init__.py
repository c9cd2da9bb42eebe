"""How a work item is executed, by execution context. An executor runs one item; it reads and writes no run, job or queue itself.

A new context is one module here and one line in the registry.
"""

from collections.abc import Mapping

from watchbill.executors import agent_script
from watchbill.executors.base import Executor, LeaseLostError, RunPort, WorkRequest

EXECUTORS: Mapping[str, Executor] = {"system": agent_script.execute, "current_user": agent_script.execute}

__all__ = ["EXECUTORS", "Executor", "LeaseLostError", "RunPort", "WorkRequest"]
