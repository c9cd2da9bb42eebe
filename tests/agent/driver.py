"""Answers from within an enclosure: `account FOLDER` makes service accounts there, `tunnel FOLDER` opens tunnels."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from watchbill_agent import clock
from watchbill_agent.commands import SystemCommands
from watchbill_agent.service_account import Notes
from watchbill_agent.service_account_linux import LinuxServiceAccount
from watchbill_agent.tunnel import TunnelKey
from watchbill_agent.tunnel_linux import LinuxTunnel
from watchbill_wire import ServiceAccountReported, ServiceAccountWanted, TunnelReported, TunnelWanted, time_text


def run(script: str) -> str:
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main(kind: str, folder: Path) -> None:
    account = LinuxServiceAccount(Notes(folder / "note.json", Path.write_bytes), SystemCommands())
    key = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    tunnel = LinuxTunnel(TunnelKey(key), "watchbill-agent test", SystemCommands(), clock.wall_now)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: object
        if "sh" in asked:
            answer = run(asked["sh"])
        elif "look" in asked:
            answer = plain(tunnel.look())
        elif kind == "account":
            keys = tuple(asked.pop("ssh_public_keys"))
            answer = plain(account.put(ServiceAccountWanted(ssh_public_keys=keys, **asked)))
        else:
            wanted = asked["wanted"]
            addresses = {"hub_addresses": tuple(wanted["hub_addresses"])} if wanted else {}
            answer = plain(tunnel.put(TunnelWanted(**{**wanted, **addresses}) if wanted else None))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def plain(reported: TunnelReported | ServiceAccountReported) -> dict[str, Any]:
    found = asdict(reported)
    if found.get("handshake_at") is not None:
        found["handshake_at"] = time_text(found["handshake_at"])
    return found


main(sys.argv[1], Path(sys.argv[2]))
