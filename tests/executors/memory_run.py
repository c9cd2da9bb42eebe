"""A run in memory: what an executor of playbooks is given, and all that it says. Its real port is tried in the flows."""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from watchbill.core.recap import Recap
from watchbill.executors import End, Given, Login, News, Obstacle, Playbook, Way
from watchbill.kit.secrets import Secret

PLAYBOOK = Playbook(uuid.uuid4(), 1)


def given(hostname: str, login: Login | None, **more: object) -> Given:
    values: dict[str, object] = {
        "execution_id": uuid.uuid4(),
        "target_id": 1,
        "device_id": uuid.uuid4(),
        "hostname": hostname,
        "playbook": PLAYBOOK,
        "time_limit_seconds": 60,
        "login": login,
    }
    return Given(**{**values, **more})  # type: ignore[arg-type]


def login(user: str, key: str, port: int) -> Login:
    return Login(user, port, private_key=Secret(key))


@dataclass
class MemoryRun:
    waiting: list[Given]
    files: Mapping[str, str]
    addresses: Mapping[uuid.UUID, str | None] = field(default_factory=dict)
    host_keys: dict[uuid.UUID, str] = field(default_factory=dict)
    ends: dict[uuid.UUID, End] = field(default_factory=dict)
    obstacles: dict[uuid.UUID, Obstacle] = field(default_factory=dict)
    recaps: dict[uuid.UUID, Recap] = field(default_factory=dict)
    output: dict[uuid.UUID, bytearray] = field(default_factory=dict)
    started: set[uuid.UUID] = field(default_factory=set)
    ready: list[uuid.UUID] = field(default_factory=list)
    stopping: set[uuid.UUID] = field(default_factory=set)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    folders: list[Path] = field(default_factory=list)
    #: Why the first playbook cannot be laid out.
    not_laid_out: Exception | None = None

    async def release(self) -> int:
        return 0

    async def take_up(self) -> None:
        return

    async def take(self, limit: int) -> Sequence[Given]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def ways(self, device_ids: Collection[uuid.UUID], *, is_first: bool) -> Mapping[uuid.UUID, Way]:
        found = {one: self.addresses.get(one, "127.0.0.1") for one in device_ids}
        return {one: Way(address, "Its tunnel is not there.", is_final=True) for one, address in found.items()}

    async def way_changed(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))

    async def check_host_key(self, device_id: uuid.UUID, offered: str) -> str | None:
        known = self.host_keys.setdefault(device_id, offered)
        return None if known == offered else "Its SSH host key has changed."

    async def left_out(self, obstacles: Mapping[uuid.UUID, Obstacle]) -> Sequence[Given]:
        self.obstacles |= obstacles
        return ()

    async def dispatched(self, execution_ids: Collection[uuid.UUID]) -> None:
        self.ready += execution_ids

    async def lay_out(self, playbook: Playbook, folder: Path) -> Sequence[Path]:
        self.folders.append(folder.parent)
        if self.not_laid_out and len(self.folders) == 1:
            raise self.not_laid_out
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return ()

    async def tell(self, news: News) -> Sequence[Given]:
        self.started |= news.started.keys()
        self.recaps |= news.recaps
        for piece in news.pieces:
            kept = self.output.setdefault(piece.execution_id, bytearray())
            kept[piece.offset :] = piece.data
        self.ends |= {end.execution_id: end for end in news.ends}
        if any(b"began" in kept for kept in self.output.values()):
            self.has_begun.set()
        return ()

    async def to_stop(self) -> set[uuid.UUID]:
        return self.stopping

    async def stop_asked(self) -> None:
        await self.bell.wait()
        self.bell.clear()

    def text(self, one: Given) -> str:
        return self.output.get(one.execution_id, bytearray()).decode()
