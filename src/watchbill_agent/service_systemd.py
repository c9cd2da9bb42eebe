"""The agent as a unit of systemd."""

from __future__ import annotations

from pathlib import Path

from watchbill_agent import service_files
from watchbill_agent.commands import CommandError, Commands
from watchbill_agent.errors import EXIT_DENIED, EXIT_NOT_ENROLLED, AgentError

UNIT = "watchbill-agent.service"
_FOLDER = Path("/etc/systemd/system")
_RUNS = Path("/run/systemd/system")

# What a unit forbids is forbidden to the scripts too, which run below it as root and as users: so it is left to do what root
# may. KillMode: a script outlives the agent. OOMPolicy: a script that takes too much memory ends alone. TasksMax: scripts count.
_TEXT = """\
[Unit]
Description=Watchbill agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart={command}
Restart=always
RestartSec=3
RestartPreventExitStatus={final}
KillMode=process
TimeoutStopSec=30
OOMPolicy=continue
TasksMax=infinity
UMask=0077
LimitCORE=0
KeyringMode=private

[Install]
WantedBy=multi-user.target
"""


class Systemd:
    name = "systemd"

    def __init__(self, commands: Commands, root: Path = Path("/")) -> None:
        self._commands = commands
        self._unit = root / _FOLDER.relative_to("/") / UNIT
        self._runs = root / _RUNS.relative_to("/")

    def is_here(self) -> bool:
        return self._runs.is_dir()

    def is_installed(self) -> bool:
        return self._unit.exists()

    def is_running(self) -> bool:
        try:
            self._commands.run("systemctl", "is-active", "--quiet", UNIT)
        except CommandError:
            return False
        return True

    def install(self, command: list[str]) -> list[str]:
        service_files.write(self._unit, text_of(command), 0o644)
        self._do("daemon-reload")
        self._do("enable", UNIT)
        # What gave up is counted as failed and would stay so; an agent of another version, or account, is to be this one now.
        self._do("reset-failed", UNIT, is_needed=False)
        self._do("restart", UNIT)
        return []

    def remove(self) -> None:
        self._do("disable", "--now", UNIT, is_needed=self.is_here())
        service_files.remove(self._unit)
        self._do("daemon-reload", is_needed=self.is_here())

    def where_it_logs(self) -> str:
        return f"journalctl -u {UNIT} says why"

    def _do(self, *words: str, is_needed: bool = True) -> None:
        try:
            self._commands.run("systemctl", *words)
        except CommandError as error:
            if is_needed:
                raise AgentError(f"systemctl {' '.join(words)} failed: {error}") from None


def text_of(command: list[str]) -> str:
    return _TEXT.format(command=" ".join(command), final=f"{EXIT_NOT_ENROLLED} {EXIT_DENIED}")
