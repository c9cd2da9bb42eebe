"""Check-ins of devices: a first report, one in which a little changed, one in which nothing did; beside a bare upsert of the same rows.

Measured is `devices.inventory.record` and its commit, in batches as a gateway makes them: every report checked, taken apart, compared
with what is stored. Beside it, one `INSERT … ON CONFLICT DO UPDATE` of all software rows that a report has, keys worked out before, and
one `UPDATE` of the devices.
"""

import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from sqlalchemy import text

from bench import common
from watchbill.core.filter_text import fold
from watchbill.core.filter_version import version_key
from watchbill.devices import inventory

Report = dict[str, Any]
#: Packages that get another version when a little changes.
UPGRADED = 5

_BARE = text("""
INSERT INTO device_software (device_id, source, name, name_key, version, version_key)
SELECT * FROM unnest(CAST(:devices AS uuid[]), CAST(:sources AS text[]), CAST(:names AS text[]), CAST(:name_keys AS text[]),
  CAST(:versions AS text[]), CAST(:version_keys AS text[]))
ON CONFLICT (device_id, source, name, version) DO UPDATE SET name_key = excluded.name_key, version_key = excluded.version_key
""")
_BARE_FACTS = text(
    "UPDATE devices SET inventory_digest = :digest, inventory_at = :now, updated_at = :now WHERE id = ANY(:devices)"
)


def reports(devices: Sequence[uuid.UUID], number: int, chance: random.Random) -> dict[uuid.UUID, Report]:
    """A fleet has much in common: most packages are those of the others, in one of a few versions."""
    names = [
        f"lib{chance.randrange(16**8):08x}-{chance.choice(('dev', 'bin', 'common', 'doc'))}" for _ in range(number * 2)
    ]
    return {device: _report(chance, chance.sample(names, number)) for device in devices}


def _report(chance: random.Random, names: Sequence[str]) -> Report:
    return {
        "hostname": f"host-{chance.randrange(10**6)}",
        "os": {"family": "linux", "name": "Debian GNU/Linux", "version": "12"},
        "agent_version": "0.1.0",
        "device_type": "server",
        "addresses": [{"interface": "eth0", "address": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}"}],
        "cpu": {"count": 8},
        "memory_bytes": 2**34,
        "last_user": "ada",
        "software": {"dpkg": [[name, f"1:{chance.randrange(9)}.{chance.randrange(40)}-1"] for name in names]},
    }


def other_user(report: Report) -> Report:
    return {**report, "last_user": "bob"}


def other_boot(report: Report) -> Report:
    return {**report, "boot_id": "another"}


def upgraded(report: Report) -> Report:
    items = report["software"]["dpkg"]
    return {
        **report,
        "software": {"dpkg": [[name, f"{version}+u1"] for name, version in items[:UPGRADED]] + items[UPGRADED:]},
    }


Fleet = dict[uuid.UUID, Report]
Write = Callable[[common.Stage, Fleet, str], Awaitable[None]]


async def check_in(stage: common.Stage, batch: Fleet, digest: str) -> None:
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        await inventory.record(tx, [(device, digest, report) for device, report in batch.items()], now)


async def upsert(stage: common.Stage, batch: Fleet, digest: str) -> None:
    rows = [(device, name, version) for device, one in batch.items() for name, version in one["software"]["dpkg"]]
    columns = {
        "devices": [row[0] for row in rows],
        "sources": ["dpkg"] * len(rows),
        "names": [row[1] for row in rows],
        "name_keys": [_KEYS[row[1]] for row in rows],
        "versions": [row[2] for row in rows],
        "version_keys": [_KEYS[row[2]] for row in rows],
    }
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        await tx.execute(_BARE, columns)
        await tx.execute(_BARE_FACTS, {"devices": list(batch), "digest": digest, "now": now})


_KEYS: dict[str, str] = {}


def _remember_keys(fleet: Fleet) -> None:
    for one in fleet.values():
        for name, version in one["software"]["dpkg"]:
            _KEYS[name], _KEYS[version] = fold(name), version_key(version)


def batches(fleet: Fleet, size: int) -> Iterator[Fleet]:
    devices = list(fleet)
    for begin in range(0, len(devices), size):
        yield {device: fleet[device] for device in devices[begin : begin + size]}


async def rate(stage: common.Stage, fleet: Fleet, digest: str, write: Write, size: int) -> float:
    """Check-ins a second."""
    began = time.perf_counter()
    for batch in batches(fleet, size):
        await write(stage, batch, digest)
    return len(fleet) / (time.perf_counter() - began)


async def measure(stage: common.Stage, options: Any) -> common.Figures:
    site = await stage.site()
    chance = random.Random(options.seed)
    devices = await stage.devices(options.devices * 2, site.id)
    ours = reports(devices[: options.devices], options.software, chance)
    bare = dict(zip(devices[options.devices :], ours.values(), strict=True))
    changed = {device: upgraded(report) for device, report in bare.items()}
    _remember_keys(bare)
    _remember_keys(changed)
    size = options.batch
    figures = {
        "new_per_s": await rate(stage, ours, "d1", check_in, size),
        "bare_new_per_s": await rate(stage, bare, "d1", upsert, size),
    }
    async with stage.db.begin() as tx:
        await tx.execute(text("ANALYZE device_software"))
    steps: list[tuple[str, Fleet, str, Write]] = [
        ("same_per_s", ours, "d1", check_in),
        ("unseen_per_s", {device: other_boot(one) for device, one in ours.items()}, "d2", check_in),
        ("fact_per_s", {device: other_user(one) for device, one in ours.items()}, "d3", check_in),
        ("little_per_s", {device: upgraded(one) for device, one in ours.items()}, "d4", check_in),
        ("bare_little_per_s", changed, "d4", upsert),
    ]
    for name, fleet, digest, write in steps:
        figures[name] = await rate(stage, fleet, digest, write, size)
    return _told(figures)


_WORDS = {
    "new_per_s": "first report",
    "bare_new_per_s": "first report, bare upsert",
    "same_per_s": "the same again",
    "unseen_per_s": "changed where no filter looks",
    "fact_per_s": "another last user",
    "little_per_s": f"{UPGRADED} packages upgraded",
    "bare_little_per_s": f"{UPGRADED} packages upgraded, bare upsert of all",
}


def _told(figures: dict[str, float]) -> common.Figures:
    rows = [[words, f"{figures[name]:.0f}", f"{1000 / figures[name]:.2f}"] for name, words in _WORDS.items()]
    common.table(["check-in", "per second", "ms each"], rows)
    return {
        **{name: round(value) for name, value in figures.items()},
        "ratio_new": round(figures["bare_new_per_s"] / figures["new_per_s"], 2),
        "ratio_little": round(figures["bare_little_per_s"] / figures["little_per_s"], 2),
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "--devices", type=int, default=200, help="devices that check in, and as many for the bare upsert"
    )
    parser.add_argument("--software", type=int, default=1000, help="software rows of each")
    parser.add_argument("--batch", type=int, default=20, help="reports stored by one transaction")
    parser.add_argument("--seed", type=int, default=20260501)
    options = parser.parse_args()
    common.tell(
        "inventory", f"{options.devices} devices with {options.software} software rows, {options.batch} a transaction"
    )
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                common.finish(await measure(stage, options))

        common.run(bench)


if __name__ == "__main__":
    main()
