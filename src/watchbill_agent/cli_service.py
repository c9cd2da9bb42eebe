"""The commands of the agent that installers use: checking a package, and the service of this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watchbill_agent.errors import EXIT_USAGE, AgentError

#: Makes a command of this name and help below others.
Maker = Callable[[Any, str, str], argparse.ArgumentParser]


def add_package(parser: argparse.ArgumentParser) -> None:
    verify = parser.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "verify", help="check a package's signature, size and hash; prints its version"
    )
    verify.add_argument("--archive", type=Path, required=True, metavar="FILE", help="the package")
    verify.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="what was signed of it")
    verify.add_argument("--signature", required=True, metavar="BASE64URL")
    verify.add_argument("--key", required=True, metavar="BASE64URL", help="the Engine's public key")


def add_service(
    parser: argparse.ArgumentParser, maker: Maker, add_branch: Callable[[argparse.ArgumentParser], None]
) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = maker(
        actions,
        "install",
        "write the service, have it start at boot, and start it (anew): systemd, else an init script",
    )
    add_branch(install)
    maker(actions, "remove", "stop the service and take it away; the identity and running scripts stay")
    status = maker(actions, "status", "whether the service is installed and runs")
    status.add_argument("--json", action="store_true")
    keep = actions.add_parser("keep", description="what the init script calls: a keeper that starts the agent again")
    keep.add_argument("word", choices=("start", "stop", "status"))
    keep.add_argument("keeping", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="how the agent runs")


def package(options: argparse.Namespace) -> None:
    from watchbill_agent import package

    _say(package.verify(options.archive, options.manifest, options.signature, options.key).version)


def service(options: argparse.Namespace) -> None:
    from watchbill_agent import datadir, service

    if options.action == "keep":
        _keep(options.word, options.keeping)
        return
    data = datadir.DataDir(options.data_dir or datadir.default_path())
    if options.action == "install":
        service.install(data, options.data_dir, options.branch, _say)
    elif options.action == "remove":
        service.remove(_say)
    else:
        _show(asdict(service.status(data)), is_json=options.json)


def _keep(word: str, keeping: list[str]) -> None:
    from watchbill_agent.service_keeper import Keeper

    command = keeping[1:] if keeping[:1] == ["--"] else keeping  # which it is depends on the version of argparse
    if not command or not Path(command[0]).is_absolute():
        raise AgentError("-- COMMAND: must be -- and the full path of a program with its arguments", EXIT_USAGE)
    keeper = Keeper()
    if word == "start":
        keeper.start(command)
    elif word == "stop":
        keeper.stop(command)
    elif not keeper.is_running():
        raise AgentError("not running", 3)  # what init scripts answer then
    else:
        _say("running")


def _show(facts: dict[str, object], *, is_json: bool) -> None:
    if is_json:
        _say(json.dumps(facts))
        return
    for name, value in facts.items():
        _say(f"{name}: {value if value is not None else '-'}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
