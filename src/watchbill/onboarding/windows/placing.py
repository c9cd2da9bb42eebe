"""An agent put in its place on a Windows machine, enrolled, and made a service; and taken back where it does not come so far."""

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import Engine, OnboardingError, PackageFile, Site, Story, Task
from watchbill.onboarding.plan import Decided, Plan
from watchbill.onboarding.windows.remote import Remote, failed
from watchbill_wire import split_code

#: Seconds that a request has to come to the Engine once the agent has made it.
_ASKED_SECONDS: Final = 30.0
#: Seconds for taking back what was written.
_UNDO_SECONDS: Final = 60.0
#: Exit codes of `watchbill-agent enroll`.
_APPROVED, _REFUSED, _WAITS, _UNREACHABLE, _PIN_MISMATCH = 0, 5, 6, 7, 8
_ENROL_FAULTS: Final = {
    _UNREACHABLE: (OnboardingReason.NO_EGRESS, "The agent does not reach the Engine."),
    _PIN_MISMATCH: (OnboardingReason.CERTIFICATE, "The machine is shown another certificate than the Engine's."),
    _REFUSED: (OnboardingReason.NOT_ENROLLED, "The Engine refused the agent's request."),
}


def whereabouts(server: str) -> dict[str, Any]:
    """The Engine's address, as the scripts are told it."""
    parts = urlsplit(server)
    is_tls, host = parts.scheme == "https", parts.hostname or ""
    return {
        "host": host,
        "port": parts.port or (443 if is_tls else 80),
        "tls": is_tls,
        "authority": parts.netloc,
        "header": "",
    }


@dataclass
class Placing:
    """One install. What it has begun is noted, so that it can be taken back. `again`: the machine anew, once the line to it broke."""

    remote: Remote
    again: Callable[[], Awaitable[Remote]]
    story: Story
    package: PackageFile
    site: Site
    #: Of the package over there: in a folder where anybody may make files, one that nobody guesses.
    _name: str = field(default_factory=lambda: f"watchbill-agent-{secrets.token_hex(8)}.zip")
    _code: str = ""
    _from: str | None = None
    _has_written: bool = False
    _is_placed: bool = False
    _has_service: bool = False
    _version_before: str | None = None

    async def install(self, engine: Engine, decided: Decided) -> None:
        """OnboardingError where it does not come so far; then nothing of it is left there, as far as the machine can still be reached."""
        try:
            await self._place(engine, decided)
            if decided.plan is not Plan.REPAIR:
                await self._enrol(engine, decided)
            await self._service()
        except BaseException:  # cancelled too: what was written is not left behind
            await self._take_back()
            raise
        with suppress(OnboardingError):  # it is done: what is left there the next visit clears away
            await self.remote.run("clean", self._remains(is_kept=True))
        if decided.plan is not Plan.REPAIR:
            await self._asked(engine)

    async def _place(self, engine: Engine, decided: Decided) -> None:
        async with self.story.task("upload") as task:
            self._has_written = True
            if decided.plan is Plan.REPAIR:  # there is no code, by which the Engine would give it the package
                await self._upload(task)
            else:
                await self._new_code(engine)
                await self._bring(task)
        async with self.story.task("verify") as task:
            await self._verify(task)
        async with self.story.task("install") as task:
            self._is_placed = True
            said = await self.remote.run("install", {"version": self.package.version})
            self._version_before = said.get("before")
            task.detail = rf"%ProgramFiles%\Watchbill\Agent\{self.package.version}."

    async def _new_code(self, engine: Engine) -> None:
        self._code = await engine.issue_code()
        self.remote.keep_secret(self._code)
        self.remote.keep_secret(self._code.partition(".")[0])

    async def _bring(self, task: Task) -> None:
        """The machine fetches the package; where it is not given to it, it is uploaded."""
        try:
            await self.remote.run("fetch", self._wanted())
        except OnboardingError as error:
            if error.reason is not OnboardingReason.STEP_FAILED:
                raise
            await self._upload(task)
            task.snippet = f"The machine did not fetch it by itself: {error.snippet}"
        else:
            task.detail = f"{self._size}, fetched by the machine."

    async def _upload(self, task: Task) -> None:
        self._from = await self.remote.put(self.package.path, self._name, self.package.size)
        task.detail = f"{self._size}, uploaded by {self.remote.line.name}."

    @property
    def _size(self) -> str:
        return f"{self.package.size / 1024 / 1024:.1f} MiB"

    def _wanted(self) -> dict[str, Any]:
        code, pin = split_code(self._code)
        digest = base64.b32decode(pin.upper() + "====").hex() if pin else None
        where = whereabouts(self.site.server)
        where["header"] = f"Authorization: Enrolment {code}\r\n"
        path = f"/api/agent/packages/windows/{self.package.arch}?branch={self.site.branch}"
        return {**where, "pin": digest, "path": path, "name": self._name, "sha256": self.package.sha256}

    async def _verify(self, task: Task) -> None:
        """By its hash before it is unpacked, then by the agent that is in it; only then anything of it is put in its place."""
        said = await self.remote.run("hash", {"name": self._name, "from": self._from})
        self._from = None
        if said.get("sha256") != self.package.sha256:
            text = f"The package has another SHA-256 there: {said.get('sha256')} instead of {self.package.sha256}."
            raise failed(OnboardingReason.PACKAGE_REFUSED, self.remote.masked(text))
        signature = base64.urlsafe_b64encode(self.package.signature).decode().rstrip("=")
        given = {
            "name": self._name,
            "version": self.package.version,
            "manifest": base64.b64encode(self.package.manifest).decode(),
            "signature": signature,
            "key": self.package.signing_key,
        }
        ran = await self.remote.run("unpack", given)
        if ran.get("code") != 0:
            text = "The package was not accepted on the machine."
            raise failed(OnboardingReason.PACKAGE_REFUSED, text, self._said(ran))
        task.detail = f"SHA-256 {self.package.sha256}, signed by the Engine."

    async def _enrol(self, engine: Engine, decided: Decided) -> None:
        async with self.story.task("enrol") as task:
            ran = await self._ask(is_forced=decided.is_forced)
            if ran.get("code") == _REFUSED and decided.plan is Plan.FINISH:
                await self._new_code(engine)
                ran = await self._ask(is_forced=True)
            code = ran.get("code")
            if code not in (_APPROVED, _WAITS):
                unknown = (OnboardingReason.STEP_FAILED, f"The agent could not ask to be enrolled (exit code {code}).")
                reason, text = _ENROL_FAULTS.get(code, unknown)
                raise failed(reason, text, self._said(ran))
            task.detail = "Approved at once." if code == _APPROVED else "It has asked, and waits for approval."

    async def _ask(self, *, is_forced: bool) -> Any:
        words = ["enroll", "--server", self.site.server, "--code", "-", "--no-wait"]
        force = ["--force"] if is_forced else []
        return await self.remote.run("command", {"words": [*words, *force], "text": self._code})

    async def _service(self) -> None:
        async with self.story.task("service") as task:
            self._has_service = True
            words = ["service", "install", "--branch", self.site.branch]
            ran = await self.remote.run("command", {"words": words, "text": ""})
            if ran.get("code") != 0:
                text = f"The agent did not become a service (exit code {ran.get('code')})."
                raise failed(OnboardingReason.STEP_FAILED, text, self._said(ran))
            task.detail = "It runs, and starts with the machine."

    async def _asked(self, engine: Engine) -> None:
        async with self.story.task("asked") as task:
            if not await engine.enrolled(_ASKED_SECONDS):
                text = f"The agent runs, and within {_ASKED_SECONDS:.0f} seconds no request of it came to the Engine."
                raise failed(OnboardingReason.NOT_ENROLLED, text)
            task.detail = "The request has come to the Engine."

    def _said(self, ran: Any) -> str:
        return self.remote.masked(str(ran.get("text", "")))

    # Back again.

    def _remains(self, *, is_kept: bool) -> dict[str, Any]:
        return {
            "version": self.package.version if self._is_placed and not is_kept else None,
            "before": self._version_before,
            "has_service": self._has_service,
            "from": self._from,
        }

    async def _take_back(self) -> None:
        """First the old line is closed, as a step may still be at work there; then by a new one, as the old may be broken."""
        if not self._has_written:
            return
        with suppress(OnboardingError, TimeoutError):
            async with asyncio.timeout(_UNDO_SECONDS):
                await self.remote.close()
                remote = await self.again()
                try:
                    await remote.run("clean", self._remains(is_kept=False))
                finally:
                    await remote.close()
