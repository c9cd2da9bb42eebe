"""A package on its way to a machine: into a private folder there, by SFTP, or through a shell where the server has no SFTP.

It is read from the disk as it goes, so that many installs at once take little memory. What takes long may, as long as it goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import PackageFile, Task
from watchbill.onboarding.ssh.faults import failed
from watchbill.onboarding.ssh.shell import Shell, words

_CHUNK: Final = 512 * 1024
_Write = Callable[[bytes], Awaitable[object]]


async def put(shell: Shell, task: Task, folder: str, package: PackageFile) -> None:
    """Put the package and its manifest into the folder. OnboardingError `no_space` where they do not fit."""
    try:
        sftp = await _sftp(shell, folder)
        if sftp is None:
            await _by_shell(shell, task, folder, package)
        else:
            async with sftp:
                await _by_sftp(sftp, shell, task, folder, package)
    except (asyncssh.SFTPError, _CatError) as error:
        await _explain(shell, folder, package, error)


async def _sftp(shell: Shell, folder: str) -> asyncssh.SFTPClient | None:
    """None: the server has no SFTP, or one that shows other folders than the shell does."""
    try:
        async with asyncio.timeout(shell.seconds):
            sftp = await shell.connection.start_sftp_client()
            if await sftp.isdir(folder):
                return sftp
            sftp.exit()
    except (asyncssh.SFTPError, asyncssh.ChannelOpenError):
        pass
    return None


async def _by_sftp(sftp: asyncssh.SFTPClient, shell: Shell, task: Task, folder: str, package: PackageFile) -> None:
    async with sftp.open(f"{folder}/manifest", "wb") as file:
        await file.write(package.manifest)
    async with sftp.open(f"{folder}/package", "wb", max_requests=16) as file:
        await _pass(package, file.write, shell, task, "by SFTP")


async def _by_shell(shell: Shell, task: Task, folder: str, package: PackageFile) -> None:
    await _cat(shell, f"{folder}/manifest", lambda write: write(package.manifest))
    await _cat(shell, f"{folder}/package", lambda write: _pass(package, write, shell, task, "through a shell"))


class _CatError(Exception):
    """The shell could not write the file."""


async def _cat(shell: Shell, target: str, give: Callable[[_Write], Awaitable[object]]) -> None:
    command = "/bin/sh -c " + words(f"cat > {target}")
    async with shell.connection.create_process(command, encoding=None, stderr=asyncssh.STDOUT) as process:

        async def write(data: bytes) -> None:
            process.stdin.write(data)
            await process.stdin.drain()

        try:
            await give(write)
            process.stdin.write_eof()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _CatError(await _words_of(process, shell)) from error
        said = await _words_of(process, shell)
        if process.exit_status != 0:
            raise _CatError(said)


async def _words_of(process: "asyncssh.SSHClientProcess[bytes]", shell: Shell) -> str:
    async with asyncio.timeout(shell.seconds):
        said = await process.stdout.read(4096)
        await process.wait_closed()
    return said.decode(errors="replace")


async def _pass(package: PackageFile, write: _Write, shell: Shell, task: Task, how: str) -> None:
    """Every part has its own time."""
    size, gone = package.size, 0
    file = await asyncio.to_thread(package.path.open, "rb")
    with file:
        while data := await asyncio.to_thread(_read, file):
            async with asyncio.timeout(shell.seconds):
                await write(data)
            gone += len(data)
            task.detail = f"{gone / 1024 / 1024:.1f} of {size / 1024 / 1024:.1f} MiB {how}"


def _read(file: BinaryIO) -> bytes:
    return file.read(_CHUNK)


async def _explain(shell: Shell, folder: str, package: PackageFile, error: Exception) -> None:
    """SFTP says no more than that it failed, so the disk is asked."""
    answer = await shell.run(f'set -- $(df -Pk {words(folder)} | tail -n 1); echo "wb.free=$4"', as_user=True)
    free = answer.values.get("free", "")
    is_full = "No space left" in str(error) or (free.isdecimal() and int(free) * 1024 < package.size)
    if is_full:
        detail = f"The disk of {folder} was full before the package was there."
        raise failed(OnboardingReason.NO_SPACE, detail, str(error)) from error
    detail = f"The package could not be written to {folder}: {error}."
    raise failed(OnboardingReason.STEP_FAILED, detail) from error
