"""The `watchbill` command: finds the command's module when it is named, and turns expected errors into sentences and exit codes."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from watchbill.apps.commands.exits import EXIT_CODES_HELP, CliError
from watchbill.kit.loading import loading

_ENGINE = "On the Engine's host"
_CLIENT = "As a client of the API"
_PROCESSES, _HOST, _ALL = "commands.processes", "commands.engine", "commands.running"

#: name -> (module under watchbill.apps, its function or Typer app, panel of the help). A new command is a line here.
COMMANDS: dict[str, tuple[str, str, str | None]] = {
    "up": (_ALL, "up", _ENGINE),
    "demo": (_ALL, "demo", _ENGINE),
    "local-agent": (_ALL, "local_agent", None),
    "api": (_PROCESSES, "api", _ENGINE),
    "gateway": (_PROCESSES, "gateway", _ENGINE),
    "scheduler": (_PROCESSES, "scheduler", _ENGINE),
    "site-worker": (_PROCESSES, "site_worker", _ENGINE),
    "vpn": (_PROCESSES, "vpn", _ENGINE),
    "db": (_HOST, "db_app", _ENGINE),
    "operator": (_HOST, "operator_app", _ENGINE),
    "keys": ("commands.keys", "app", _ENGINE),
    "config": (_HOST, "config", _ENGINE),
    "doctor": (_HOST, "doctor", _ENGINE),
    "login": ("client.sign_in", "login_app", _CLIENT),
    "logout": ("client.sign_in", "logout_app", _CLIENT),
    "operators": ("client.operators", "app", _CLIENT),
    "sites": ("client.sites", "app", _CLIENT),
    "agent-packages": ("client.agent_packages", "app", _CLIENT),
    "devices": ("client.devices", "app", _CLIENT),
    "custom-fields": ("client.custom_fields", "app", _CLIENT),
    "tunnels": ("client.tunnels", "app", _CLIENT),
    "variables": ("client.variables", "app", _CLIENT),
    "credentials": ("client.credentials", "app", _CLIENT),
    "filters": ("client.filters", "app", _CLIENT),
    "onboarding": ("client.onboarding", "app", _CLIENT),
    "approvals": ("client.approvals", "app", _CLIENT),
    "assemblies": ("client.assemblies", "app", _CLIENT),
    "workflows": ("client.workflows", "app", _CLIENT),
    "jobs": ("client.jobs", "app", _CLIENT),
    "views": ("client.views", "app", _CLIENT),
    "runs": ("client.runs", "app", _CLIENT),
    "output": ("client.outputs", "app", _CLIENT),
    "search": ("client.outputs", "search_app", _CLIENT),
    "occurrences": ("client.occurrences", "app", _CLIENT),
    "away": ("client.occurrences", "away_app", _CLIENT),
    "waiting": ("client.stops", "waiting_app", _CLIENT),
    "guard": ("client.guard", "app", _CLIENT),
    "windows": ("client.windows", "app", _CLIENT),
    "notifications": ("client.notifications", "app", _CLIENT),
}


class LazyGroup(TyperGroup):
    """Commands that are imported when they are named: a site worker must not load the client, nor the client the Engine."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # The base class proposes near misses from `commands`, which holds only what was loaded.
        if args and args[0] not in COMMANDS:
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    module, attribute, panel = COMMANDS[name]
    with loading():
        found: typer.Typer | Callable[..., None] = getattr(import_module(f"watchbill.apps.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        holder = typer.Typer(add_completion=False)
        holder.command(name, hidden=panel is None, epilog=EXIT_CODES_HELP)(found)
        command = typer.main.get_command(holder)
    command.name = name
    vars(command)["rich_help_panel"] = panel
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def watchbill() -> None:
    """Scheduled jobs for a fleet of computers: who does what, and when, and what happened and why."""


def main() -> None:
    try:
        app(prog_name="watchbill")
    except CliError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nobody is left to tell.
        sys.stderr.close()
        sys.exit(1)


def _tell(error: CliError) -> None:
    sys.stderr.write(f"watchbill: {error.message}\n")
    sys.stderr.writelines(f"  {problem}\n" for problem in error.problems)
    if error.hint:
        sys.stderr.write(f"{error.hint}\n")


if __name__ == "__main__":
    main()
