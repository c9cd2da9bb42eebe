"""The agent as an init script, for machines without systemd: it starts a keeper, which starts the agent and starts it again."""

from __future__ import annotations

from pathlib import Path

from watchbill_agent import service_files, service_keeper
from watchbill_agent.commands import CommandError, Commands
from watchbill_agent.errors import AgentError

SCRIPT = "watchbill-agent"
_FOLDER = Path("/etc/init.d")
_OPENRC = Path("/sbin/openrc-run")

_LSB = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          watchbill-agent
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Watchbill agent
# Description:       Runs signed work on this machine and keeps the results until the Engine has them.
### END INIT INFO
# chkconfig: 2345 90 10
# description: Watchbill agent

# Written by `watchbill-agent service install`.
keeper() {{
  {keeper} "$1" -- {command}
}}

case "$1" in
  start|stop|status)
    keeper "$1"
    ;;
  restart|force-reload)
    keeper stop && keeper start
    ;;
  *)
    echo "Usage: $0 start|stop|restart|force-reload|status" >&2
    exit 2
    ;;
esac
"""

_RUNSCRIPT = """\
#!/sbin/openrc-run
# Written by `watchbill-agent service install`.
description="Watchbill agent"

depend() {{
  need localmount
  after net firewall
}}

start() {{
  ebegin "Starting the Watchbill agent"
  {keeper} start -- {command}
  eend $?
}}

stop() {{
  ebegin "Stopping the Watchbill agent"
  {keeper} stop -- {command}
  eend $?
}}

status() {{
  {keeper} status -- {command}
}}
"""

#: Who makes it start at boot: the tool, then what to tell it.
_REGISTERING = (
    ("update-rc.d", (SCRIPT, "defaults"), (SCRIPT, "remove")),
    ("chkconfig", ("--add", SCRIPT), ("--del", SCRIPT)),
    ("rc-update", ("add", SCRIPT, "default"), ("del", SCRIPT, "default")),
)


class SysV:
    name = "sysv"

    def __init__(self, commands: Commands, root: Path = Path("/")) -> None:
        self._commands = commands
        self._script = root / _FOLDER.relative_to("/") / SCRIPT
        self._openrc = root / _OPENRC.relative_to("/")
        self._keeper = service_keeper.Keeper(root / service_keeper.PID_FILE.relative_to("/"))

    def is_here(self) -> bool:
        """Its keeper needs no more than a shell."""
        return True

    def is_installed(self) -> bool:
        return self._script.exists()

    def is_running(self) -> bool:
        return self._keeper.is_running()

    def install(self, command: list[str]) -> list[str]:
        service_files.write(self._script, text_of(command, is_openrc=self._openrc.exists()), 0o755)
        registrar = self._register()
        if self._keeper.has_run():  # where none has, there is nothing to stop, and a start of the program less
            self._run("stop")
        self._run("start")
        if registrar is None:
            lacking = "this machine has none of update-rc.d, chkconfig and rc-update"
            return [f"It will not start at boot by itself: {lacking}. Have `{self._script} start` run at boot."]
        return []

    def remove(self) -> None:
        self._run("stop")
        service_files.remove(self._script)
        for tool, _, leave in _REGISTERING:
            if self._commands.has(tool):
                self._do(tool, *leave)

    def where_it_logs(self) -> str:
        return f"{service_keeper.LOG} says why"

    def _register(self) -> str | None:
        for tool, enter, _ in _REGISTERING:
            if self._commands.has(tool):
                self._do(tool, *enter)
                return tool
        return None

    def _run(self, word: str) -> None:
        self._do(str(self._script), word)

    def _do(self, tool: str, *words: str) -> None:
        try:
            self._commands.run(tool, *words)
        except CommandError as error:
            raise AgentError(f"{tool} {' '.join(words)} failed: {error}") from None


def text_of(command: list[str], *, is_openrc: bool) -> str:
    """`command`: how the agent runs. Its keeper is the same program."""
    place = command.index("run")
    keeper = " ".join([*command[:place], "service", "keep"])
    return (_RUNSCRIPT if is_openrc else _LSB).format(keeper=keeper, command=" ".join(command))
