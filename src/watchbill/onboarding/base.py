"""What the parts of onboarding give each other: who is at an address, how to sign in there, what was done, and why it went no further."""

import ipaddress
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from watchbill.agent_packages import CachedPackage
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential

#: A package of the agent in this machine's cache, whose hash and signature were checked.
PackageFile = CachedPackage
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Platform = Literal["linux", "windows"]

#: Longer outputs of a step are cut in the middle.
SNIPPET_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each way in is listened for. With TLS WinRM is looked for on `winrm_tls` too."""

    ssh: int = 22
    winrm: int = 5985
    winrm_tls: int = 5986
    smb: int = 445


@dataclass(frozen=True, slots=True)
class Knock:
    """One port that was tried. `banner` is what the machine said by itself; `detail` is why it is not open, or no such service."""

    port: int
    is_open: bool
    banner: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a probe of one address found: every port that was tried, in order."""

    address: Address
    knocks: Sequence[Knock]

    @property
    def is_seen(self) -> bool:
        return any(one.is_open for one in self.knocks)


class OnboardingError(Exception):
    """A machine goes no further. The text is for people; `snippet` is what the machine said, with every secret masked."""

    def __init__(self, state: OnboardingState, reason: OnboardingReason, detail: str, snippet: str = "") -> None:
        super().__init__(detail)
        self.state = state
        self.reason = reason
        self.snippet = snippet


@dataclass(slots=True)
class Task:
    """One line of the timeline while it is being done: whoever does it says what came of it."""

    name: str
    detail: str = ""
    snippet: str = ""


class Story(Protocol):
    """The timeline of one machine. Each task is stored when it begins and when it ends, with its times."""

    def task(self, name: str) -> AbstractAsyncContextManager[Task]:
        """A task for the block: `done` at its end, `failed` with the text where an OnboardingError leaves it."""


class Guard(Protocol):
    """Keeps accounts from being locked out: one try for an account on a machine, and ever longer waits after refusals in a row."""

    async def may_try(self, credential: OpenCredential) -> str | None:
        """Wait for the account's turn. A text is why it is not to be tried on this machine."""

    async def tried(self, credential: OpenCredential, *, accepted: bool) -> None:
        """Note what came of the try."""


class Packages(Protocol):
    """Where the agent for a machine comes from: the branch of the job."""

    async def get(self, platform: str, arch: str) -> PackageFile:
        """OnboardingError `unsupported` where the branch has none for such a machine; it says which ones there are."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the Engine says of the device that a machine says it is.

    `is_accepted`: approved and not revoked. `is_online`: connected now.
    """

    hostname: str
    is_accepted: bool
    is_online: bool


class Engine(Protocol):
    """What an install asks of the Engine, which holds the truth."""

    async def device(self, device_id: str) -> Known | None:
        """The device that an agent on the machine says it is; None = this Engine knows no such device."""

    async def check_host_key(self, offered: str) -> str | None:
        """Why the SSH host key (type and text) that the machine shows is not to be trusted; None = it is. The first one is pinned."""

    async def issue_code(self) -> str:
        """A new enrolment code for this target alone, usable once, with the pin of the server's certificate: `CODE.PIN`."""

    async def enrolled(self, seconds: float) -> bool:
        """Whether the machine has asked to be enrolled for this target, waiting so long for it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What an install needs to know of where it leads. `server` is the address for agents, such as https://engine:8470."""

    server: str
    #: Seconds that one command on the machine may take.
    step_seconds: float = 120
    #: The line of agents that an installed one follows: the job's install branch.
    branch: str = "stable"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine that answered. `name` is what the scope called it, where it did not give an address."""

    address: Address
    ports: Ports
    sighting: Sighting
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """An agent runs on the machine and has asked to be enrolled. `is_already`: it did so before, nothing was changed.

    `repaired`: it is this device already and was approved before; its agent was put in order and kept its identity, and there is
    nothing to wait for.
    """

    credential_id: int
    hostname: str
    version: str
    is_already: bool = False
    repaired: str | None = None


class Installer(Protocol):
    """One way in, such as SSH: `onboarding/ssh` and `onboarding/windows` each have one."""

    async def __call__(
        self,
        machine: Machine,
        credentials: Sequence[OpenCredential],
        guard: Guard,
        packages: Packages,
        engine: Engine,
        site: Site,
        story: Story,
    ) -> Installed:
        """Bring the agent onto a machine, or find it there. OnboardingError says where it ended otherwise.

        Safe to repeat after it was cut off anywhere. Cancelled, it closes its connections and removes what it had begun to write.
        """


def masked(text: str, secrets: Sequence[str]) -> str:
    """Output of a machine as it may be stored: without secrets and control characters, and not longer than a snippet."""
    for secret in sorted({one for one in secrets if len(one) >= 3}, key=len, reverse=True):
        text = text.replace(secret, "••••")
    text = re.sub(r"[^\S\n]+$", "", re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text), flags=re.MULTILINE).strip()
    if len(text) <= SNIPPET_CHARACTERS:
        return text
    half = SNIPPET_CHARACTERS // 2
    return f"{text[:half]}\n…\n{text[-half:]}"
