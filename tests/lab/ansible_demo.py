"""`python -m tests.lab.ansible_demo`: playbooks over SSH through WireGuard, on five devices of which one is cut off, from a playbook to recaps.

Everything runs in network namespaces of this machine: an Engine, five hosts with real agents, real sshd, real WireGuard. Nothing of it is
left at the end.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.lab.fleet import Fleet, fleet, until
from tests.lab.host import Host, LabError
from tests.lab.network import missing
from tests.lab.sshd import User, key_pair

SITES = ("Harbour", "Lighthouse")
#: Two of them have the same name, in two sites; the last one is cut off.
DEVICES = (
    ("web-1", "Harbour"),
    ("web-1", "Lighthouse"),
    ("db-1", "Harbour"),
    ("db-2", "Lighthouse"),
    ("far-1", "Harbour"),
)
PLAYBOOK = f"""
- name: Set the message of the day
  hosts: all
  gather_facts: false
  become: true
  vars:
    ansible_python_interpreter: {sys.executable}
  tasks:
    - name: Who this is
      ansible.builtin.debug:
        msg: "{{{{ watchbill_hostname }}}} at {{{{ watchbill_site }}}}"
    - name: Write the message
      ansible.builtin.copy:
        content: "{{{{ message }}}}\\n"
        dest: /etc/motd
        mode: "0644"
    - name: Read it back
      ansible.builtin.command: cat /etc/motd
      changed_when: false
"""


@dataclass
class Shore:
    """The lab with its devices enrolled, a user ada whose key the Engine has, and the last device's tunnel cut."""

    crew: Fleet
    hosts: Sequence[Host]
    private_key: str

    def playbook(self, name: str, content: str = PLAYBOOK) -> None:
        variables = [{"name": "message", "type": "string", "default": "Mind the gap."}]
        self._save("assembly.json", {"name": name, "kind": "playbook", "content": content, "variables": variables})
        self.crew.cli("assemblies", "import", str(self.crew.folder / "assembly.json"))

    def _save(self, name: str, value: Mapping[str, Any]) -> None:
        (self.crew.folder / name).write_text(json.dumps(value))

    def credential(self, name: str) -> None:
        words = ("credentials", "create", name, "--kind", "ssh", "--user", "ada", "--key", "-", "--become", "sudo")
        self.crew.cli(*words, given=self.private_key)

    def job(self, name: str, playbook: str, context: str, *more: str, **definition: Any) -> int:
        """A job on all devices that starts at once; its id."""
        schedule = {"type": "immediately"}
        self._save("job.json", {"name": name, "schedule": schedule, "targets": [{"kind": "all_devices"}], **definition})
        file = str(self.crew.folder / "job.json")
        words = ("jobs", "create", "-f", file, "--playbook", playbook, "--context", context, *more)
        return int(self.crew.cli(*words)["id"])

    def ended(self, job: int, seconds: float = 180) -> list[dict[str, Any]]:
        """The device rows of its only occurrence, once it is closed."""
        rows: list[dict[str, Any]] = []

        def is_over() -> bool:
            rows[:] = self.crew.cli("runs", "devices", str(job), "--limit", "500")["items"]
            return bool(rows) and all(row["finished_at"] for row in rows)

        until("every device has ended", is_over, seconds)
        return rows


def shore(crew: Fleet, devices: Iterable[tuple[str, str]] = DEVICES) -> Shore:
    """Enrol the devices."""
    for site in SITES:
        crew.site(site)
    private, public = key_pair()
    hosts = [crew.device(name, site, User("ada", public_key=public, may_sudo=True)) for name, site in devices]
    until("every device is connected", lambda: crew.online() == len(hosts))
    return Shore(crew, hosts, private)


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """Device rows as a table."""
    lines = []
    for row in sorted(rows, key=lambda one: (one["device"]["hostname"], one["device"]["site_name"])):
        recap = " ".join(f"{name}={number}" for name, number in (row["recap"] or {}).items() if number)
        why = f"{row['reason']}: {row['detail']}" if row["reason"] else ""
        device = f"{row['device']['hostname']:<7} {row['device']['site_name']:<11}"
        lines.append(f"  {device} {row['state']:<9} {recap or why}")
    return "\n".join(lines)


def _demo(crew: Fleet) -> int:
    print(f"{len(DEVICES)} devices enrol …", flush=True)
    there = shore(crew)
    crew.lab.cut_tunnel(there.hosts[-1])
    print(f"The tunnel of {there.hosts[-1].name} is cut.\n")
    there.playbook("Message of the day")
    there.credential("Ada's key")
    code = 0
    for context, what in (("ssh", "One shared run for each site"), ("ssh_individual", "A run for each device")):
        print(f"{what} ({context}) …", flush=True)
        job = there.job(f"Message of the day, {context}", "Message of the day", context, "--credential", "Ada's key")
        rows = there.ended(job)
        print(f"{told(rows)}\n")
        code = code or _unexpected(rows)
    return code


def _unexpected(rows: Sequence[Mapping[str, Any]]) -> int:
    """1 unless all succeeded but the one that is cut off, which says why."""
    states = sorted((row["device"]["hostname"], row["state"], row["reason"]) for row in rows)
    wanted = sorted(
        (name, "skipped", "wireguard_not_ready") if name == "far-1" else (name, "success", None) for name, _ in DEVICES
    )
    return int([tuple(map(str, one)) for one in states] != [tuple(map(str, one)) for one in wanted])


def main() -> int:
    lacking = missing()
    if lacking is not None:
        print(f"No lab here: {lacking}", file=sys.stderr)
        return 1
    try:
        print("An Engine starts on a host of its own …", flush=True)
        with fleet() as crew:
            return _demo(crew)
    except LabError as error:
        print(f"The lab failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
