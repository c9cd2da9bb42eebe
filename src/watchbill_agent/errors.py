"""Errors that end a command of the agent, each with the exit code that scripts may rely on."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_ENROLLED = 3
EXIT_ALREADY_ENROLLED = 4
EXIT_DENIED = 5
EXIT_PENDING = 6
EXIT_UNREACHABLE = 7
EXIT_PIN_MISMATCH = 8
EXIT_BUSY = 9


class AgentError(Exception):
    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
