"""`python -m tests.lab`: a lab for a person to play in, until Ctrl-C. `python -m tests.lab clean` removes what a crashed one left."""

import argparse
import secrets
import signal
import sys
from types import FrameType

from tests.lab import leftovers
from tests.lab.doorway import doorway
from tests.lab.fleet import Fleet, fleet, until
from tests.lab.host import Host, LabError
from tests.lab.network import ENGINE_ADDRESS
from tests.lab.sshd import User

#: Two sites that each have a device of the same name.
_SITES = ("Harbour", "Lighthouse")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("up", "clean"), default="up")
    parser.add_argument("--devices", type=int, default=5, help="how many hosts with an agent (5)")
    chosen = parser.parse_args()
    if chosen.what == "clean":
        print("\n".join(leftovers.clean()) or "Nothing was left.")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    try:
        _up(chosen.devices)
    except LabError as error:
        print(f"No lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nNothing of the lab is left.")
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _up(devices: int) -> None:
    print("An Engine starts on a host of its own …", flush=True)
    with fleet() as crew:
        print(f"{devices} devices enrol …", flush=True)
        password = secrets.token_urlsafe(9)
        for site in _SITES:
            crew.site(site)
        names = [(f"web-{number // 2 + 1}", _SITES[number % 2]) for number in range(devices)]
        hosts = [crew.device(name, site, User("ada", password, may_sudo=True)) for name, site in names]
        until("every device is connected", lambda: crew.online() == devices)
        with doorway(crew.engine, ENGINE_ADDRESS, 8470) as port:
            _tell(crew, [(host, site) for host, (_, site) in zip(hosts, names, strict=True)], password, port)
            signal.pause()


def _tell(crew: Fleet, hosts: list[tuple[Host, str]], password: str, port: int) -> None:
    print(
        f"\nThe console is at https://127.0.0.1:{port}, by admin / {crew.password}. Its certificate is of its own making."
    )
    print(f"On each device: sshd on port 22, the user ada / {password}, who may sudo. To go there:\n")
    for host, site in [(crew.engine, "the Engine"), *hosts]:
        print(f"  {host.name:<8} {site:<11} {host.address:<12} nsenter --target={host.init} -n -m -u -i -p bash")
    print("\nCtrl-C ends it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
