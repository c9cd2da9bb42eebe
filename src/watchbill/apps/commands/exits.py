"""How the `watchbill` command ends: its exit codes, and the one error that a command raises when it cannot do what was asked."""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    WARNING = 3
    NOT_SIGNED_IN = 4
    NOT_FOUND = 5
    UNREACHABLE = 6


EXIT_CODES_HELP = (
    "Exit codes: 0 done, or the occurrence succeeded · 1 failed or refused · 2 wrong usage or settings · 3 the occurrence ended "
    "with a warning, cancelled or skipped · 4 not signed in · 5 not found · 6 the Engine or its database cannot be reached · "
    "130 interrupted"
)


class CliError(Exception):
    """Said to the caller as one sentence and a line for each problem; no stack trace."""

    def __init__(
        self, message: str, exit_code: ExitCode = ExitCode.FAILED, problems: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.exit_code, self.problems, self.hint = message, exit_code, tuple(problems), hint
