"""How a script is started as a signed-in user on Windows: its command line, its environment and its flags. Pure; `wts` makes the call.

Never run on Windows so far.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from watchbill_wire import Interpreter

#: The user's own desktop; a program elsewhere can show nothing.
DESKTOP = "winsta0\\default"
#: CREATE_SUSPENDED: it is put into its job before it runs, so that nothing escapes. CREATE_NO_WINDOW: no console flashes up.
#: EXTENDED_STARTUPINFO_PRESENT: only the pipes are inherited.
CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT = 0x0000_0004, 0x0000_0400
EXTENDED_STARTUPINFO_PRESENT, CREATE_NO_WINDOW = 0x0008_0000, 0x0800_0000
CREATION_FLAGS = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT | CREATE_NO_WINDOW
#: JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE: the whole tree ends with the last handle to its job.
KILL_ON_JOB_CLOSE = 0x2000
#: As CreateProcess takes it, with the NUL.
LONGEST_COMMAND = 32767
_POWERSHELL = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File")
#: What `cmd` makes something of even between quotes, or that ends them.
_CMD_SPECIAL = frozenset('"%!^&|<>()\r\n')


def command_line(interpreter: Interpreter, program: str, script: str) -> str:
    """`program`: the interpreter's own path. ValueError for what cannot be said on a Windows command line."""
    if interpreter == "batch":
        return _bounded(_batch(program, script))
    before = _POWERSHELL if interpreter == "powershell" else ()
    return _bounded(quoted([program, *before, script]))


def quoted(arguments: Sequence[str]) -> str:
    """As the C runtime of the started program takes it apart again."""
    if any("\0" in one for one in arguments):
        raise ValueError("an argument holds NUL")
    return subprocess.list2cmdline(arguments)


def _batch(cmd: str, script: str) -> str:
    """`cmd` reads its line by rules of its own: /s takes off the outer quotes and leaves the rest as it is; /d runs nothing before."""
    if not _CMD_SPECIAL.isdisjoint(script):
        raise ValueError(
            f"the path of a batch file may not hold any of {' '.join(sorted(_CMD_SPECIAL - set(chr(13) + chr(10))))}"
        )
    return f'{quoted([cmd])} /d /s /c ""{script}""'


def _bounded(line: str) -> str:
    if len(line.encode("utf-16-le")) // 2 >= LONGEST_COMMAND:
        raise ValueError("the command line is longer than Windows takes")
    return line


def environment_of(block: bytes) -> dict[str, str]:
    """From what CreateEnvironmentBlock gives: texts of UTF-16, each ended by NUL, and one more NUL. Drives' folders (`=C:`) stay out."""
    texts = block[: len(block) // 2 * 2].decode("utf-16-le", errors="surrogatepass").split("\0")
    pairs = (one.partition("=") for one in texts[: texts.index("")] if not one.startswith("="))
    return {name: value for name, _, value in pairs}


def merged(users: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Case of names does not count on Windows: what we give takes the place of the user's own."""
    taken = {name.upper() for name in ours}
    return {**{name: value for name, value in users.items() if name.upper() not in taken}, **ours}


def block_of(environment: Mapping[str, str]) -> bytes:
    """As CreateProcessAsUserW takes it, sorted as Windows wants. ValueError for what would end a text early."""
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"the variable {name!r} cannot be given on Windows")
    texts = sorted(
        (f"{name}={value}" for name, value in environment.items()), key=lambda one: one.partition("=")[0].upper()
    )
    whole = "".join(f"{one}\0" for one in texts) or "\0"
    return f"{whole}\0".encode("utf-16-le", errors="surrogatepass")
