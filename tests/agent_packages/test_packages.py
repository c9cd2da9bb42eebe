"""Packages on branches: published, found, promoted, withdrawn, and kept as checked files."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from tests.factories.packages import AARCH64, package, windows_package, written
from watchbill import agent_packages, agents
from watchbill.agent_packages import DamagedPackageError, NoPackageError, PackageCache, Published, cache
from watchbill.identity import ENGINE, Permission, SiteScope
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError
from watchbill_wire import from_base64url, package_signing_bytes, parse_manifest


class Shelf:
    """Publishes as the Engine does, each in a transaction of its own."""

    def __init__(self, db, clock, keys, folder):
        self.db, self.clock, self.keys, self.folder = db, clock, keys, folder

    async def publish(self, data: bytes, branch: str = "stable", actor=ENGINE) -> Published:
        file = written(self.folder, data)
        async with self.db.begin() as tx:
            now = await self.clock.now(tx)
            await agents.ensure_signing_key(tx, self.keys, now)
            signer = await agents.load_signer(tx, self.keys)
            found = agent_packages.inspect(file)
            return await agent_packages.publish(tx, actor, file, found, branch=branch, signer=signer, now=now)

    async def newest(self, branch: str = "stable", platform: str = "linux", arch: str = "x86_64"):
        async with self.db.begin() as tx:
            return await agent_packages.newest(tx, branch, platform, arch)

    async def do(self, verb, *arguments, **named):
        async with self.db.begin() as tx:
            return await verb(tx, ENGINE, *arguments, **named, now=await self.clock.now(tx))

    async def sql(self, statement: str, **given) -> list[Any]:
        async with self.db.begin() as tx:
            done = await tx.execute(text(statement), given)
            return list(done) if done.returns_rows else []


@pytest.fixture
def shelf(db, clock, keys, tmp_path):
    return Shelf(db, clock, keys, tmp_path)


async def test_what_is_published_is_found_signed_and_whole(shelf):
    data = package(more=os.urandom(3_000_000))
    made = await shelf.publish(data)
    assert made.is_new
    found = await shelf.newest()
    assert found == made.package
    async with shelf.db.begin() as tx:
        parts = [await agent_packages.read_chunk(tx, found, n) for n in range(agent_packages.chunks_of(found))]
        keys = dict(await agents.public_keys(tx))
    assert b"".join(parts) == data
    assert len(parts) > 2
    Ed25519PublicKey.from_public_bytes(keys[found.key_id]).verify(
        found.signature, package_signing_bytes(found.manifest)
    )
    manifest = parse_manifest(found.manifest.decode())
    assert (manifest.sha256, manifest.size, manifest.version) == (found.sha256, len(data), "1.0.0")


async def test_the_same_again_changes_nothing_and_another_content_needs_another_version(shelf):
    first = await shelf.publish(package())
    again = await shelf.publish(package())
    assert (again.is_new, again.package) == (False, first.package)
    with pytest.raises(ConflictError, match="another content"):
        await shelf.publish(package(more=b"other"))
    await shelf.do(agent_packages.withdraw, first.package.id)
    assert (await shelf.publish(package(more=b"other"))).is_new


async def test_two_that_publish_at_once_get_one_package(shelf):
    made = await asyncio.gather(*(shelf.publish(package()) for _ in range(4)))
    assert sorted(one.is_new for one in made) == [False, False, False, True]
    assert len({one.package.id for one in made}) == 1


async def test_the_highest_version_is_the_newest_whenever_it_was_published(shelf):
    for version in ("1.10.0", "1.9.0", "1.10.0-rc1"):
        await shelf.publish(package(version))
    assert (await shelf.newest()).version == "1.10.0-rc1", "a hyphen is a revision, as Debian has it"
    await shelf.publish(package("1.11.0"))
    assert (await shelf.newest()).version == "1.11.0"


async def test_a_withdrawn_package_gives_way_to_the_one_before_and_its_content_goes(shelf):
    await shelf.publish(package("1.0.0"))
    bad = await shelf.publish(package("1.1.0", more=b"bad"))
    await shelf.do(agent_packages.withdraw, bad.package.id)
    assert (await shelf.newest()).version == "1.0.0"
    assert await shelf.sql("SELECT 1 FROM agent_package_chunks WHERE sha256 = :s", s=bad.package.sha256) == []
    again = await shelf.do(agent_packages.withdraw, bad.package.id)
    assert again.withdrawn_at is not None
    actions = await shelf.sql("SELECT action FROM audit WHERE object_kind = 'agent_package' ORDER BY id")
    assert [row.action.split(".")[1] for row in actions] == ["published", "published", "withdrawn"]


async def test_a_promoted_package_is_the_same_on_both_branches_and_outlives_the_first(shelf):
    made = (await shelf.publish(package(), "beta")).package
    there = await shelf.do(agent_packages.promote, made.id, branch="stable")
    assert (there.is_new, there.package.sha256, there.package.signature) == (True, made.sha256, made.signature)
    assert not (await shelf.do(agent_packages.promote, made.id, branch="stable")).is_new
    await shelf.do(agent_packages.withdraw, made.id)
    async with shelf.db.begin() as tx:
        assert await agent_packages.read_chunk(tx, there.package, 0)
        assert await agent_packages.branches(tx) == ["stable"]
    with pytest.raises(ConflictError, match="withdrawn"):
        await shelf.do(agent_packages.promote, made.id, branch="other")


async def test_who_finds_none_is_told_what_there_is(shelf):
    with pytest.raises(NoPackageError, match="nor any other"):
        await shelf.newest()
    await shelf.publish(package())
    await shelf.publish(windows_package(), "beta")
    with pytest.raises(NoPackageError, match=r"linux aarch64 on the branch stable. It has linux x86_64\."):
        await shelf.newest(arch="aarch64")
    with pytest.raises(NoPackageError, match="There are the branches beta, stable"):
        await shelf.newest("nightly")
    await shelf.publish(package(machine=AARCH64))
    assert (await shelf.newest(arch="aarch64")).arch == "aarch64"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"permissions": frozenset(Permission) - {Permission.PACKAGES_WRITE}}, "packages:write"),
        ({"scope": SiteScope(frozenset({1}))}, "every site"),
    ],
)
async def test_only_who_sees_every_site_and_may_publishes(shelf, changes, said):
    with pytest.raises(ForbiddenError, match=said):
        await shelf.publish(package(), actor=replace(ENGINE, **changes))
    assert await shelf.sql("SELECT 1 FROM agent_packages") == []


@pytest.mark.parametrize("branch", ["", "Stable", "1st", "a b", "x" * 41, "../x"])
async def test_a_branch_has_a_name_that_agents_take(shelf, branch):
    with pytest.raises(InvalidError) as caught:
        await shelf.publish(package(), branch)
    assert [one.field for one in caught.value.problems] == ["branch"]


# --- the cache ---------------------------------------------------------------------------------------------------------


async def test_a_file_is_fetched_once_and_right(shelf, tmp_path):
    data = package(more=os.urandom(2_500_000))
    made = (await shelf.publish(data)).package
    packages = PackageCache(tmp_path / "cache")
    found = await asyncio.gather(*(packages.get(shelf.db.begin, "stable", "linux", "x86_64") for _ in range(5)))
    assert {one.path for one in found} == {tmp_path / "cache" / made.sha256}
    one = found[0]
    assert one.path.read_bytes() == data
    assert (one.version, one.size, one.sha256, one.glibc) == ("1.0.0", len(data), made.sha256, None)
    key = Ed25519PublicKey.from_public_bytes(from_base64url(one.signing_key))
    key.verify(one.signature, package_signing_bytes(one.manifest))
    assert [path.name for path in one.path.parent.iterdir()] == [made.sha256]


async def test_a_file_that_was_changed_is_fetched_anew(shelf, tmp_path):
    await shelf.publish(package())
    packages = PackageCache(tmp_path / "cache")
    path = (await packages.get(shelf.db.begin, "stable", "linux", "x86_64")).path
    path.write_bytes(b"changed")
    assert (await packages.get(shelf.db.begin, "stable", "linux", "x86_64")).path.read_bytes() == package()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE agent_package_chunks SET data = 'other'", "damaged in the database"),
        ("UPDATE agent_packages SET signature = '\\x00'", "signature"),
        ("UPDATE agent_packages SET sha256 = repeat('ab', 32)", "not the one that was signed"),
        ("UPDATE agent_packages SET manifest = convert_to(replace(convert_from(manifest, 'UTF8'), '1.0.0', '1.0.1'), 'UTF8')", "signature"),
        ("UPDATE engine_keys SET retired_at = now()", "retired"),
    ],
)  # fmt: skip
async def test_what_is_not_as_it_was_signed_is_not_used(shelf, tmp_path, damage, said):
    await shelf.publish(package())
    await shelf.sql(damage)
    with pytest.raises(DamagedPackageError, match=said):
        await PackageCache(tmp_path / "cache").get(shelf.db.begin, "stable", "linux", "x86_64")
    folder = tmp_path / "cache"
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_old_files_go_when_there_are_too_many_and_those_in_use_stay(shelf, tmp_path):
    folder: Path = tmp_path / "cache"
    folder.mkdir()
    for number in range(cache.MOST_FILES + 3):
        (folder / f"old-{number}").write_text("x")
        os.utime(folder / f"old-{number}", (1000 + number, 1000 + number))
    (folder / "in-use").write_text("x")
    await shelf.publish(package())
    found = await PackageCache(folder).get(shelf.db.begin, "stable", "linux", "x86_64")
    left = {path.name for path in folder.iterdir()}
    assert {found.path.name, "in-use"} <= left
    assert len(left) == cache.MOST_FILES
    assert "old-0" not in left
