"""What a batch of deliveries gives to scripts: values from everywhere, secrets sealed for the device, and why something cannot be given."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchbill import agents, jobs
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.kit.secrets import KeyRing
from watchbill.runs import NO_KEY, Delivery, RunContent
from watchbill.variables import Giver

NO_FILES = "Its agent cannot fetch the files that the script needs: update the agent."


class NotReadyError(Exception):
    """The order cannot be made for this device; says why."""


@dataclass
class Package:
    """The variables of one order: open ones as they are, the others sealed; and the revisions of values that were used."""

    plain: dict[str, str]
    sealed: str | None
    used: dict[str, int] = field(default_factory=dict)


def pack(
    keys: KeyRing,
    giver: Giver,
    delivery: Delivery,
    content: RunContent,
    part: Mapping[str, Any],
    declared: AssemblyDraft,
) -> Package:
    """Raises NotReadyError."""
    values = giver.values_for(delivery.device_id)
    given = jobs.given(keys, content.job_id, part["position"], part["variables"], declared, values)
    if given.problems:
        raise NotReadyError(" ".join(given.problems))
    sealed = None
    if given.secrets:
        sealed = _sealed(giver.sealing_keys.get(delivery.device_id), delivery.execution_id, given.secrets)
    return Package(given.plain, sealed, given.used)


def _sealed(device_key: bytes | None, execution_id: uuid.UUID, secrets: Mapping[str, str]) -> str:
    if device_key is None:
        raise NotReadyError(NO_KEY)
    try:
        return agents.seal_for(device_key, str(execution_id), secrets)
    except ValueError:
        raise NotReadyError("The key that its agent has told is none that secrets can be sealed to.") from None


def names_of(drafts: Collection[AssemblyDraft]) -> set[str]:
    return {variable.name for draft in drafts for variable in draft.variables}
