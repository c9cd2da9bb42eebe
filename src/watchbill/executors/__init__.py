"""How a work item is executed, by execution context. An executor runs one item; it reads and writes no run, job or queue itself.

A new context is one module here and one line in the registry.
"""

from collections.abc import Mapping

from watchbill.core.job_rules_values import REMOTE_CONTEXTS
from watchbill.executors import agent_script
from watchbill.executors.base import (
    Become,
    End,
    Executor,
    Given,
    LeaseLostError,
    Login,
    News,
    Obstacle,
    Playbook,
    PlaybookPort,
    RunPort,
    Way,
    WorkRequest,
)
from watchbill.executors.playbooks import MAIN, Limits, Workshop, default_root, places, wipe_leftovers

__all__ = [
    "MAIN",
    "Become",
    "End",
    "Executor",
    "Given",
    "LeaseLostError",
    "Limits",
    "Login",
    "News",
    "Obstacle",
    "Playbook",
    "PlaybookPort",
    "RunPort",
    "Way",
    "WorkRequest",
    "Workshop",
    "default_root",
    "executors",
    "places",
    "wipe_leftovers",
]


def executors(shop: Workshop) -> Mapping[str, Executor]:
    """The registry of one process."""
    scripts = {"system": agent_script.execute, "current_user": agent_script.execute}
    return {**scripts, **{context.value: shop.execute for context in REMOTE_CONTEXTS}}
