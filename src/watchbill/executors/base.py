"""The seam between executors and the rest: what they are given, and the only things they may ask for."""

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from watchbill.core.recap import Recap
from watchbill.core.states import SkipReason
from watchbill.kit.secrets import Secret


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """One work item: a run's part of one site."""

    run_id: int
    site_id: int
    execution_context: str


class LeaseLostError(Exception):
    """Another worker owns the item now; whoever gets this stops at once and writes nothing more."""


class RunPort(Protocol):
    """What an executor may do to its run. Every call raises LeaseLostError once the lease is gone."""

    async def release(self) -> int:
        """Let the next batch of targets go; how many there were, 0 at the end."""


@dataclass(frozen=True, slots=True)
class Become:
    """How another user's rights are taken on a device, in Ansible's words."""

    method: str
    user: str
    password: Secret | None


@dataclass(frozen=True, slots=True)
class Login:
    """As whom a device is entered: by a stored credential, or by the account that its agent keeps for the Engine."""

    #: With its domain, where it has one.
    username: str
    port: int
    password: Secret | None = None
    private_key: Secret | None = None
    passphrase: Secret | None = None
    become: Become | None = None
    #: Of WinRM. With the transport `certificate`, the private key is the certificate's.
    transport: str = "ntlm"
    is_tls: bool = True
    validates_certificates: bool = True
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """One execution that this worker is to run: a playbook on a device. `obstacle`: why it cannot be.

    `common` variables are the same for every device of the job, `own` are this device's. `facts` are what playbooks may ask of it.
    """

    execution_id: uuid.UUID
    target_id: int
    device_id: uuid.UUID
    hostname: str
    playbook: "Playbook"
    time_limit_seconds: int
    login: Login | None
    common: Mapping[str, object] = field(default_factory=dict)
    own: Mapping[str, object] = field(default_factory=dict, repr=False)
    secrets: Collection[str] = field(default=(), repr=False)
    facts: Mapping[str, object] = field(default_factory=dict)
    obstacle: "Obstacle | None" = None


@dataclass(frozen=True, slots=True)
class Playbook:
    """A revision of a playbook, and on how many devices it works at once where they share one run. None = as many as Ansible does."""

    assembly_id: uuid.UUID
    revision: int
    forks: int | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a device is left out: the reason's code, and a sentence."""

    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class Way:
    """Whether a device can be reached, and where. `is_final`: waiting longer would not help."""

    address: str | None
    detail: str = ""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the standard output of an execution, at their place in the whole stream."""

    execution_id: uuid.UUID
    device_id: uuid.UUID
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended. `outcome` and `tree` as agents say it of scripts."""

    execution_id: uuid.UUID
    device_id: uuid.UUID
    outcome: Literal["exited", "timed_out", "cancelled", "interrupted"]
    exit_code: int | None = None
    reason: str | None = None
    detail: str | None = None
    #: Whether nothing of it runs any more.
    is_gone: bool = True
    size: int = 0
    is_truncated: bool = False
    last_line: str | None = None


@dataclass
class News:
    """What has happened since the last time, stored in one transaction."""

    #: Executions that have begun, with their devices.
    started: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    recaps: dict[uuid.UUID, Recap] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        return not (self.started or self.pieces or self.recaps or self.ends)


class PlaybookPort(RunPort, Protocol):
    """What an executor of playbooks may do besides."""

    async def take_up(self) -> None:
        """Settle what an earlier holder of this item left behind."""

    async def take(self, limit: int) -> Sequence[Given]:
        """Targets that may go now, theirs is the state `connecting` from here on; none = there are no more at present."""

    async def ways(self, device_ids: Collection[uuid.UUID], *, is_first: bool) -> Mapping[uuid.UUID, Way]:
        """Which devices can be reached now; `is_first` asks for their tunnels to be opened."""

    async def way_changed(self, seconds: float) -> None:
        """Return when a device may have become reachable, or after so many seconds."""

    async def check_host_key(self, device_id: uuid.UUID, offered: str) -> str | None:
        """Why the key that a device's SSH server shows is not to be trusted; None = it is. The first one is kept."""

    async def left_out(self, obstacles: Mapping[uuid.UUID, Obstacle]) -> Sequence[Given]:
        """End executions that cannot be; what follows on that."""

    async def dispatched(self, execution_ids: Collection[uuid.UUID]) -> None:
        """Their devices can be entered; a controller is being started for them."""

    async def lay_out(self, playbook: Playbook, folder: Path) -> Sequence[Path]:
        """Put a playbook and its files into a folder; where its collections are."""

    async def tell(self, news: News) -> Sequence[Given]:
        """Store what has happened; what follows on it."""

    async def to_stop(self) -> set[uuid.UUID]:
        """Executions of this item that are to be stopped."""

    async def stop_asked(self) -> None:
        """Return when something may be to be stopped."""


Executor = Callable[[WorkRequest, PlaybookPort], Awaitable[None]]
