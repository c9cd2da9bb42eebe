"""The documents of runs, read once for a process: revisions never change."""

import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.assembly_check import from_json
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.workflow_steps import Wiring
from watchbill.workflows import store

_MOST: Final = 500

Pinned = tuple[uuid.UUID, int]


@dataclass
class Documents:
    """The newest used revisions of assemblies, and the wiring of those that are workflows."""

    _drafts: OrderedDict[Pinned, AssemblyDraft] = field(default_factory=OrderedDict)
    _wirings: dict[Pinned, Wiring] = field(default_factory=dict)

    async def load(self, tx: AsyncConnection, wanted: Sequence[Pinned]) -> None:
        missing = sorted({one for one in wanted if one not in self._drafts}, key=str)
        for pinned, content in (await store.documents(tx, missing)).items():
            self._drafts[pinned] = from_json(content)
        for one in wanted:
            if one in self._drafts:
                self._drafts.move_to_end(one)
        while len(self._drafts) > max(_MOST, len(set(wanted))):
            gone, _ = self._drafts.popitem(last=False)
            self._wirings.pop(gone, None)

    def has(self, pinned: Pinned) -> bool:
        return pinned in self._drafts

    def name_of(self, pinned: Pinned) -> str:
        return self._drafts[pinned].name

    def draft(self, pinned: Pinned) -> AssemblyDraft:
        """One that was loaded."""
        return self._drafts[pinned]

    def wiring(self, pinned: Pinned, trial: Mapping[str, Any] | None = None) -> Wiring:
        """Of a workflow that was loaded; of a draft that is tried out, which nobody else runs, it is made anew."""
        if trial is not None:
            return wiring_of(from_json(trial))
        if pinned not in self._wirings:
            self._wirings[pinned] = wiring_of(self._drafts[pinned])
        return self._wirings[pinned]


def wiring_of(draft: AssemblyDraft) -> Wiring:
    if draft.workflow is None:
        raise ValueError(f"“{draft.name}” is no workflow")
    return Wiring(draft.workflow)
