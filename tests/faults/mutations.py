"""Proof that the storm can fail: the same storm against a product that breaks one promise, in a copy of it; each must fail.

`python -m tests.faults.mutations [NAME …] [--kills 60]`, minutes each; the working tree is left alone. What the storm found is printed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Where code is imported from; a copy of it stands before it on the path.
SOURCE = "src"


@dataclass(frozen=True)
class Edit:
    """Another text in one place."""

    path: str
    old: str
    new: str

    def is_possible(self, root: Path = ROOT) -> bool:
        return (root / self.path).read_text().count(self.old) == 1

    def make(self, root: Path) -> None:
        assert self.is_possible(root), f"{self.path} no longer has {self.old!r}"
        (root / self.path).write_text((root / self.path).read_text().replace(self.old, self.new))


@dataclass(frozen=True)
class Mutation:
    """A promise that is broken by edits; `breaks` says what then happens to somebody."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]


ALL = (
    Mutation(
        "forgetful_devices",
        "An agent that starts has forgotten what it ran, and the gateway sends again what a device does not know: it runs twice."
        " Both have to fail for that: either alone only leaves more that counts as interrupted.",
        (
            Edit(
                "src/watchbill_agent/spool.py",
                "        self._db = sqlite3.connect(path, ",
                "        for one in path.parent.glob(f'{path.name}*'):\n            one.unlink()\n        self._db = sqlite3.connect(path, ",
            ),
            Edit(
                "src/watchbill_agent/launcher.py",
                "        root.mkdir(mode=0o700, exist_ok=True)\n",
                "        shutil.rmtree(root, ignore_errors=True)\n        root.mkdir(mode=0o700, exist_ok=True)\n",
            ),
            Edit(
                "src/watchbill/apps/gateway/hub.py",
                'for one in missing if one.state != "dispatched"]\n'
                '        waiting = [one for one in missing if one.state == "dispatched"]\n',
                "for one in missing if not one]\n        waiting = missing\n",
            ),
        ),
    ),
    Mutation(
        "early_acknowledgement",
        "The gateway acknowledges before it commits: devices drop what is not stored yet.",
        (
            Edit(
                "src/watchbill/apps/gateway/writer.py",
                "        while not await self._commit(batch):\n",
                "        for connection, ack in _last_acks(batch):\n            connection.send(ack)\n"
                "        await asyncio.sleep(5)\n        while not await self._commit(batch):\n",
            ),
        ),
    ),
    Mutation(
        "no_taking_over",
        "A work item whose worker died belongs to nobody for ever: its devices wait.",
        (
            Edit(
                "src/watchbill/queue/store.py",
                "WHERE id = :id AND state IN ('queued', 'leased') RETURNING id, run_id, site_id, term, attempt",
                "WHERE id = :id AND state = 'queued' RETURNING id, run_id, site_id, term, attempt",
            ),
        ),
    ),
)


def storm_fails(mutation: Mutation, kills: int) -> bool:
    """Run the storm on a mutated copy; what it said goes to stdout."""
    with tempfile.TemporaryDirectory(prefix="watchbill-mutation-") as folder:
        copy = Path(folder)
        copy.chmod(0o755)  # supervisors of scripts read it too
        shutil.copytree(ROOT / SOURCE, copy / SOURCE)
        for edit in mutation.edits:
            edit.make(copy)
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy / SOURCE),
            "WATCHBILL_TEST_KILLS": str(kills),
        }
        command = [sys.executable, "-m", "pytest", "-n0", "-s", "--tb=line", "tests/faults/test_kill_storm.py"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    said = done.stdout.decode(errors="replace")
    print("\n".join(line for line in said.splitlines() if line.startswith(("seed", "broken", "open"))))
    return done.returncode == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *[one.name for one in ALL]], metavar="NAME")
    parser.add_argument("--kills", type=int, default=60)
    asked = parser.parse_args()
    missed = []
    for one in ALL:
        if not asked.names or one.name in asked.names:
            print(f"== {one.name}: {one.breaks}", flush=True)
            is_caught = storm_fails(one, asked.kills)
            print("caught" if is_caught else "NOT CAUGHT", flush=True)
            missed += [] if is_caught else [one.name]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
