"""`python -m tests.lab.onboarding_demo`: a network of machines is brought under management through the API, address by address.

Everything runs in network namespaces of this machine: an Engine, hosts with real sshd, and a package of the agent that is really built and
installed. Nothing of it is left at the end.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.factories.packed import packed_agent
from tests.lab.fleet import Fleet, fleet, until
from tests.lab.host import Host, LabError
from tests.lab.network import missing
from tests.lab.sshd import User, Ways, add_user, key_pair, start_sshd

SITE = "Harbour"
PASSWORD, PASSPHRASE = "rope-and-tackle-9", "below-the-waterline"  # of hosts that are gone in a minute
#: What a network appliance says to any command.
_GEAR = "#!/bin/sh\necho '% Invalid input detected at the marker.'\nexit 1\n"
#: State and reason of each address, by its host's name.
EXPECTED: Mapping[str, tuple[str, str | None]] = {
    "good-1": ("waiting_approval", None),
    "key-1": ("waiting_approval", None),
    "wrong-1": ("auth_failed", "credentials_refused"),
    "bare-1": ("failed", "not_permitted"),
    "managed-1": ("skipped", "already_managed"),
    "off-1": ("unreachable", "no_answer"),
    "switch-1": ("unsupported", "platform"),
    "left out": ("skipped", "excluded"),
    "nowhere.lab": ("unreachable", "name_not_resolved"),
}


@dataclass
class Shore:
    """The lab, and which host has which address."""

    crew: Fleet
    names: dict[str, str]
    public_key: str
    private_key: str

    def machine(self, name: str, *users: User, ways: Ways | None = None) -> Host:
        """A host with `sshd` and these users, of which the Engine knows nothing."""
        host = self.crew.lab.add(name)
        for one in users:
            add_user(host, one)
        start_sshd(host, ways)
        self.note(name, host)
        return host

    def note(self, name: str, host: Host) -> None:
        assert host.address is not None
        self.names[host.address] = name

    def job(self, name: str, *entries: str, exclusions: Sequence[str] = (), **changes: Any) -> int:
        """An onboarding job that begins at once; its id."""
        definition = {
            "name": name,
            "job_kind": "onboarding",
            "components": [{"kind": "device_onboarding", "concurrency": 5, **changes}],
            "targets": [
                {"kind": "onboarding_scope", "site": SITE, "entries": list(entries), "exclusions": list(exclusions)}
            ],
            "credentials": ["Ada, by password", "Bob, by key"],
            "schedule": {"type": "immediately"},
        }
        return self.save(definition)

    def save(self, definition: Mapping[str, Any]) -> int:
        file = self.crew.folder / "job.json"
        file.write_text(json.dumps(definition))
        return int(self.crew.cli("jobs", "create", "-f", str(file))["id"])

    def rows(self, job: int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.crew.cli("onboarding", "targets", str(job))["items"]
        return items

    def ended(self, job: int, seconds: float = 180) -> dict[str, dict[str, Any]]:
        """The addresses of a job by the names of their hosts, once none is being worked on."""
        found: list[dict[str, Any]] = []

        def is_over() -> bool:
            found[:] = self.rows(job)
            return bool(found) and all(one["finished_at"] for one in found)

        until("every address has ended", is_over, seconds)
        return {self.names.get(one["address"] or "", (one["names"] or ["left out"])[0]): one for one in found}


def shore(crew: Fleet) -> Shore:
    """Two credentials, a package of the agent, and an empty network."""
    private, public = key_pair(PASSPHRASE)
    crew.cli("sites", "create", SITE)
    crew.cli("agent-packages", "publish", str(packed_agent().archive))
    by_password = ("--user", "ada", "--password", "--become", "sudo", "--become-password")
    crew.cli(
        "credentials", "create", "Ada, by password", "--kind", "ssh", *by_password, given=f"{PASSWORD}\n{PASSWORD}\n"
    )
    (crew.folder / "bob.key").write_text(private)
    by_key = ("--user", "bob", "--key", str(crew.folder / "bob.key"), "--passphrase", "--become", "sudo")
    crew.cli("credentials", "create", "Bob, by key", "--kind", "ssh", *by_key, given=f"{PASSPHRASE}\n")
    return Shore(crew, {}, public, private)


def populate(there: Shore) -> list[str]:
    """A host of each kind; the addresses that the job names."""
    there.machine("good-1", User("ada", PASSWORD, sudo="asks"))
    there.machine("key-1", User("bob", public_key=there.public_key, sudo="free"))
    there.machine("wrong-1", User("ada", "another-password-1", sudo="asks"))
    there.machine("bare-1", User("ada", PASSWORD))
    crew = there.crew
    crew.cli("sites", "auto-approve", SITE, "60")
    there.note("managed-1", crew.device("managed-1", SITE, User("ada", PASSWORD, sudo="asks")))
    until("the managed device is connected", lambda: crew.online() == 1)
    off = crew.lab.add("off-1")
    there.note("off-1", off)
    off.power_off()
    gear = there.machine("switch-1", User("ada", PASSWORD), ways=Ways(has_sftp=False, shell="/etc/ssh/gear"))
    gear.run("tee", "/etc/ssh/gear", given=_GEAR)
    gear.run("chmod", "755", "/etc/ssh/gear")
    last = int((gear.address or "").rpartition(".")[2])
    return [f"198.18.0.2-{last + 1}", "nowhere.lab"]


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Addresses with how they ended."""
    lines = []
    for name, one in rows.items():
        lines.append(f"  {one['address'] or '-':<13} {name:<12} {_ended(one):<34} {one['detail'] or ''}")
    return "\n".join(lines)


def _ended(one: Mapping[str, Any]) -> str:
    return f"{one['state']} ({one['reason']})" if one["reason"] else str(one["state"])


def timeline(one: Mapping[str, Any]) -> str:
    """What was done with one machine, step by step."""
    return "\n".join(f"    {step['task']:<12} {step['state']:<8} {step['detail'] or ''}" for step in one["timeline"])


def unexpected(rows: Mapping[str, Mapping[str, Any]], expected: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """Addresses that did not end as they should."""
    ends = {name: (one["state"], one["reason"]) for name, one in rows.items()}
    every = sorted(ends.keys() | expected.keys())
    return [
        f"{name}: {ends.get(name)}, not {expected.get(name)}" for name in every if ends.get(name) != expected.get(name)
    ]


def approve(there: Shore, job: int, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Approve every machine that waits, and wait until it is connected; the ids of the devices."""
    asked = [str(one["approval_id"]) for one in rows.values() if one["state"] == "waiting_approval"]
    there.crew.cli("approvals", "approve", *asked)
    approved: list[str] = []

    def are_devices() -> bool:
        approved[:] = [str(one["device_id"]) for one in there.rows(job) if one["state"] == "approved"]
        return len(approved) == len(asked)

    until("the addresses follow their approvals", are_devices, 30)
    known = 1 + len(approved)
    until("the new devices are connected", lambda: there.crew.online() == known, 90)
    return approved


def run_script(there: Shore, device_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """A script on the new devices: how it ended, and the last line, by host name."""
    file = there.crew.folder / "script.json"
    assembly = {"name": "Who are you", "kind": "script", "interpreter": "bash", "content": 'echo "I am $(hostname)"\n'}
    file.write_text(json.dumps(assembly))
    there.crew.cli("assemblies", "import", str(file))
    targets = [{"kind": "device", "device_id": one} for one in device_ids]
    components = [{"assembly": "Who are you", "kind": "script"}]
    job = there.save(
        {"name": "Roll call", "components": components, "targets": targets, "schedule": {"type": "immediately"}}
    )
    rows: list[dict[str, Any]] = []

    def is_over() -> bool:
        rows[:] = there.crew.cli("runs", "devices", str(job))["items"]
        return len(rows) == len(device_ids) and all(one["finished_at"] for one in rows)

    until("the script has run", is_over, 60)
    return {one["device"]["hostname"]: (one["state"], one["last_line"]) for one in rows}


def _demo(crew: Fleet) -> int:
    print("A package of the agent is published; hosts of every kind appear on the network …", flush=True)
    there = shore(crew)
    entries = populate(there)
    outside = entries[0].rpartition("-")[2]
    print(f"The job looks at {', '.join(entries)}, without 198.18.0.{outside} …\n", flush=True)
    job = there.job("The harbour's machines", *entries, exclusions=[f"198.18.0.{outside}"])
    rows = there.ended(job)
    print(f"{table(rows)}\n")
    print(f"What was done with good-1:\n{timeline(rows['good-1'])}\n")
    wrong = unexpected(rows, EXPECTED)
    devices = approve(there, job, rows)
    print(f"{len(devices)} machines were approved, and are connected. A script runs on them:")
    said = run_script(there, devices)
    print("\n".join(f"  {name:<12} {state:<8} {line}" for name, (state, line) in sorted(said.items())))
    wrong += [f"{name}: {end}" for name, end in said.items() if end != ("success", f"I am {name}")]
    print("".join(f"\nNot as it should be: {one}" for one in wrong))
    return int(bool(wrong) or len(devices) != 2)


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
