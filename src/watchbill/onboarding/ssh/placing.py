"""An agent put in its place on a machine, enrolled, and made a service; and taken back where it does not come so far."""

import asyncio
import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import Engine, OnboardingError, PackageFile, Site, Story, Task
from watchbill.onboarding.plan import Decided, Plan
from watchbill.onboarding.ssh import scripts
from watchbill.onboarding.ssh.faults import failed, step, unsupported
from watchbill.onboarding.ssh.present import Present
from watchbill.onboarding.ssh.shell import Answer, Shell, assignments
from watchbill.onboarding.ssh.upload import put

#: Seconds that a request has to come to the Engine once the agent has made it.
_ASKED_SECONDS: Final = 30.0
#: Seconds for taking back what was written.
_UNDO_SECONDS: Final = 30.0
#: Exit codes of `watchbill-agent enroll`.
_APPROVED, _REFUSED, _WAITS, _UNREACHABLE, _PIN_MISMATCH = 0, 5, 6, 7, 8
_ENROL_FAULTS: Final = {
    _UNREACHABLE: (OnboardingReason.NO_EGRESS, "The agent does not reach the Engine."),
    _PIN_MISMATCH: (OnboardingReason.CERTIFICATE, "The machine is shown another certificate than the Engine's."),
    _REFUSED: (OnboardingReason.NOT_ENROLLED, "The Engine refused the agent's request."),
}


@dataclass
class Placing:
    """One install. What it has begun is noted, so that it can be taken back."""

    shell: Shell
    story: Story
    package: PackageFile
    present: Present
    site: Site
    uploads: asyncio.Semaphore
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _has_folder: bool = False
    _folder: str = ""
    _staging: str = ""
    _is_placed: bool = False
    _may_serve: bool = False
    _serves: bool = False
    _is_stopped: bool = False

    async def install(self, engine: Engine, decided: Decided) -> None:
        try:
            await self._place()
            if decided.plan is not Plan.REPAIR:
                await self._enrol(engine, decided)
            await self._service()
            await self._remove_folder()
        except BaseException:  # cancelled too: what was written is not left behind
            await self._take_back()
            raise
        if decided.plan is not Plan.REPAIR:
            await self._asked(engine)

    async def _place(self) -> None:
        async with step(self.story, "upload") as task:
            self._has_folder = True
            made = await self.shell.run(assignments(name=self._name) + scripts.MAKE_FOLDER, as_user=True)
            self._folder = made.values.get("folder", "")
            if not self._folder:
                detail = "No folder can be made in /var/tmp, /tmp or the user's home."
                raise failed(OnboardingReason.STEP_FAILED, detail, self.shell.shown(made))
            task.detail = "It waits for its turn."
            async with self.uploads:
                await put(self.shell, task, self._folder, self.package)
        async with step(self.story, "verify") as task:
            await self._verify(task)
        async with step(self.story, "install") as task:
            self._is_placed = True
            await self.shell.must(
                self._script(scripts.INSTALL, staging=self._staging), "It could not be put in its place."
            )
            task.detail = f"/opt/watchbill-agent/{self.package.version}."

    async def _verify(self, task: Task) -> None:
        """By its hash before it is unpacked, then by the agent that is in it; only then anything of it may be used."""
        what = "The hash of the package could not be made there."
        hashed = await self.shell.must(assignments(file=f"{self._folder}/package") + scripts.HASH, what)
        if hashed.values.get("sum") != self.package.sha256:
            detail = (
                f"The package has another SHA-256 there: {hashed.values.get('sum')} instead of {self.package.sha256}."
            )
            raise failed(OnboardingReason.PACKAGE_REFUSED, detail)
        signature = base64.urlsafe_b64encode(self.package.signature).decode().rstrip("=")
        script = self._script(scripts.UNPACK, folder=self._folder, signature=signature, key=self.package.signing_key)
        answer = await self.shell.run(script)
        self._staging = answer.values.get("staging", "")
        if not self._staging:
            raise self._not_unpacked(answer)
        task.detail = f"SHA-256 {self.package.sha256}, signed by the Engine."

    def _not_unpacked(self, answer: Answer) -> OnboardingError:
        shown = self.shell.shown(answer)
        if answer.is_full:
            return failed(OnboardingReason.NO_SPACE, "The disk was full before the package was unpacked.", shown)
        if "GLIBC_" in answer.output:
            return unsupported(
                OnboardingReason.SYSTEM_TOO_OLD, "The C library of the machine is too old for the agent.", shown
            )
        if answer.values.get("refused") == "1" or answer.status == 4:
            return failed(OnboardingReason.PACKAGE_REFUSED, "The package was not accepted on the machine.", shown)
        if "refused" in answer.values:
            return failed(OnboardingReason.STEP_FAILED, "The agent that is in the package does not start there.", shown)
        return failed(OnboardingReason.STEP_FAILED, "The package could not be unpacked.", shown)

    async def _enrol(self, engine: Engine, decided: Decided) -> None:
        async with step(self.story, "enrol") as task:
            if decided.is_forced:
                # A service, also one whose files are gone, holds the identity that is to be given up.
                self._is_stopped = True
                await self.shell.must(scripts.REMOVE_SERVICE, "The service of the agent before could not be stopped.")
            code = await engine.issue_code()
            self.shell.secrets += [code, code.partition(".")[0]]
            answer = await self._ask(code, is_forced=decided.is_forced)
            if _exit(answer) == _REFUSED and decided.plan is Plan.FINISH:
                answer = await self._ask(code, is_forced=True)
            if _exit(answer) not in (_APPROVED, _WAITS):
                raise self._not_asked(answer)
            task.detail = "Approved at once." if _exit(answer) == _APPROVED else "It has asked, and waits for approval."

    async def _ask(self, code: str, *, is_forced: bool) -> Answer:
        force = "--force" if is_forced else ""
        return await self.shell.run(self._script(scripts.ENROL, code=code, server=self.site.server, force=force))

    def _not_asked(self, answer: Answer) -> OnboardingError:
        number = _exit(answer)
        unknown = (OnboardingReason.STEP_FAILED, f"The agent could not ask to be enrolled (exit code {number}).")
        reason, detail = _ENROL_FAULTS.get(number, unknown)
        return failed(reason, detail, self.shell.shown(answer))

    async def _service(self) -> None:
        async with step(self.story, "service") as task:
            self._may_serve = True
            answer = await self.shell.must(
                self._script(scripts.SERVICE, branch=self.site.branch), "The service does not run."
            )
            self._serves = True
            task.detail = self.shell.shown(answer)

    async def _asked(self, engine: Engine) -> None:
        async with step(self.story, "asked") as task:
            if not await engine.enrolled(_ASKED_SECONDS):
                words = await self.shell.run(scripts.LAST_WORDS)
                detail = f"The agent runs, and its request has not come to the Engine within {_ASKED_SECONDS:.0f} s."
                raise failed(OnboardingReason.NOT_ENROLLED, detail, self.shell.shown(words))
            task.detail = "Its request is with the Engine."

    def _script(self, script: str, **values: str) -> str:
        return assignments(version=self.package.version, **values) + script

    # --- and back ----------------------------------------------------------------------------------------------------------

    async def _take_back(self) -> None:
        """As far as the connection goes, and within a bound: what stays, the next try finds."""
        with suppress(TimeoutError, OSError, asyncssh.Error, OnboardingError):
            async with asyncio.timeout(_UNDO_SECONDS):
                if not self._serves:
                    await self.shell.run(self._undoing())
                await self._remove_folder()

    def _undoing(self) -> str:
        before = self.present
        flags = {
            "had_base": before.has_base,
            "had_data": before.has_data,
            "had_link": before.has_link,
            "had_version": self.package.version in before.versions,
            "is_placed": self._is_placed,
            "serves_anew": self._may_serve and not before.has_service,
            "serves_again": before.has_service and (self._may_serve or self._is_stopped),
        }
        given = {name: "yes" if is_so else "" for name, is_so in flags.items()}
        return self._script(scripts.ROLL_BACK, previous=before.current, branch=self.site.branch, **given)

    async def _remove_folder(self) -> None:
        if self._has_folder:
            await self.shell.run(assignments(name=self._name) + scripts.REMOVE_FOLDER, as_user=True)
            self._has_folder = False


def _exit(answer: Answer) -> int:
    said = answer.values.get("exit", "")
    return int(said) if said.isdecimal() else -1
