"""The `watchbill-agent` command: reads arguments, says what happened, returns an exit code. Everything else is imported late."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from watchbill_agent import __version__, cli_service
from watchbill_agent.errors import AgentError

_EXIT_CODES = """\
exit codes:
  0  done
  1  failed; the message says why
  2  an argument is not allowed
  3  this device is not enrolled (or its files cannot be read)
  4  this device is enrolled already
  5  the Engine denied or refused the enrolment
  6  the enrolment still waits for approval; the same command continues it
  7  the Engine cannot be reached
  8  the server's certificate is not the pinned one; nothing was sent
  9  another agent uses the data directory
"""


#: Longer than any code with its pin.
_MOST_OF_A_CODE = 1024


def main() -> None:
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    options = _parser().parse_args(_joined(arguments))
    try:
        _COMMANDS[options.command](options)
    except AgentError as error:
        print(f"watchbill-agent: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _joined(arguments: list[str]) -> list[str]:
    """A code, a key and a signature may begin with a hyphen, which would be taken for an option of its own."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in ("--code", "--key", "--signature"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="watchbill-agent",
        description="Runs signed work on this device and keeps the results until the Engine has them.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    enroll = _command(commands, "enroll", "make this device known to an Engine; safe to run again")
    enroll.add_argument(
        "--server", required=True, metavar="URL", help="https://HOST[:PORT] (http:// to this machine only)"
    )
    enroll.add_argument(
        "--code", required=True, help="the site's enrolment code, with or without .PIN; - reads it from standard input"
    )
    enroll.add_argument("--fingerprint", metavar="sha256:HEX", help="the server certificate to trust, and no other")
    waiting = enroll.add_mutually_exclusive_group()
    waiting.add_argument(
        "--wait", type=_seconds, metavar="SECONDS", help="give up waiting for approval (default: never)"
    )
    waiting.add_argument("--no-wait", action="store_true", help="ask, look once and return")
    enroll.add_argument("--force", action="store_true", help="forget the present identity and enrol anew")
    run = _command(commands, "run", "serve the Engine until stopped; running scripts outlive it")
    run.add_argument(
        "--max-parallel", type=_count, default=8, metavar="N", help="scripts at once, 1 to 64 (default: 8)"
    )
    _branch(run)
    run.add_argument(
        "--utmp", type=Path, metavar="FILE", help="where logins are recorded (default: logind, else /run/utmp)"
    )
    run.add_argument(
        "--file-cache",
        type=_mebibytes,
        default=1024,
        metavar="MIB",
        help="disk for files of scripts that are kept for the next run, in MiB, 0 to 1048576 (default: 1024)",
    )
    run.add_argument(
        "--wait-for-approval",
        action="store_true",
        help="where the enrolment still waits for approval, ask until it is answered, then serve",
    )
    run.add_argument("--log-format", choices=("text", "json"), default="text")
    status = _command(commands, "status", "who this device is and what its spool holds")
    status.add_argument("--json", action="store_true")
    _branch(_command(commands, "inventory", "print what this device tells about itself, as JSON"))
    _command(commands, "version", "print the version")
    cli_service.add_package(_command(commands, "package", "check a package of the agent before it is used"))
    service = _command(commands, "service", "have this machine keep the agent running")
    cli_service.add_service(service, _command, _branch)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=text, description=text, epilog=_EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if name not in ("inventory", "version", "package", "service"):
        default = "/var/lib/watchbill-agent as root, else the user's data home"
        parser.add_argument("--data-dir", type=Path, metavar="DIR", help=f"where it keeps everything ({default})")
    return parser


def _branch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--branch", type=_branch_name, default="stable", metavar="NAME", help="the line of agents it follows (stable)"
    )


def _branch_name(text: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9._-]{0,39}", text) is None:
        raise argparse.ArgumentTypeError("must be 1 to 40 lowercase letters, digits, dots, hyphens and underscores")
    return text


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86400 * 30:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise ValueError(text)
    return value


def _mebibytes(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1024 * 1024:
        raise ValueError(text)
    return value


def _require_linux() -> None:
    if not sys.platform.startswith("linux"):
        raise AgentError(f"this build runs on Linux only, not on {sys.platform}")


def _enroll(options: argparse.Namespace) -> None:
    _require_linux()
    from watchbill_agent import datadir, enrol

    wait = 0.0 if options.no_wait else options.wait
    code = sys.stdin.readline(_MOST_OF_A_CODE).strip() if options.code == "-" else options.code
    request = enrol.Request(options.server, code, options.fingerprint, wait, options.force)
    enrol.enrol(
        datadir.DataDir(options.data_dir or datadir.default_path()), request, lambda text: print(text, flush=True)
    )


def _run(options: argparse.Namespace) -> None:
    _require_linux()
    import asyncio

    from watchbill_agent import datadir, runtime
    from watchbill_agent.log import Log

    data = datadir.DataDir(options.data_dir or datadir.default_path())
    log = Log(is_json=options.log_format == "json")
    if options.wait_for_approval and data.load_identity() is not None:
        from watchbill_agent import enrol

        data.lock()
        enrol.await_approval(data, lambda text: log("enrolment", said=text))
        data.approved_identity()
    else:
        data.approved_identity()
        data.lock()
    wanted = runtime.Options(options.max_parallel, options.branch, options.utmp, options.file_cache * 1024 * 1024)
    asyncio.run(runtime.run(data, log, wanted))


def _inventory(options: argparse.Namespace) -> None:
    _require_linux()
    from watchbill_agent import inventory

    sys.stdout.buffer.write(inventory.collect(options.branch) + b"\n")


def _status(options: argparse.Namespace) -> None:
    _require_linux()
    from watchbill_agent import datadir, spool

    data = datadir.DataDir(options.data_dir or datadir.default_path())
    identity = data.load_identity()
    facts: dict[str, object] = {
        "data_dir": str(data.path),
        "state": identity.state if identity else "not enrolled",
        "server": identity.server if identity else None,
        "device_id": identity.device_id or None if identity else None,
        "is_pinned": identity.is_pinned if identity else False,
        "is_running": data.is_locked(),
        "deliveries": spool.counts(data.spool),
    }
    if options.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name}: {value if value is not None else '-'}")


def _version(_options: argparse.Namespace) -> None:
    print(__version__)


def _service(options: argparse.Namespace) -> None:
    _require_linux()
    cli_service.service(options)


_COMMANDS = {
    "enroll": _enroll,
    "inventory": _inventory,
    "package": cli_service.package,
    "run": _run,
    "service": _service,
    "status": _status,
    "version": _version,
}
