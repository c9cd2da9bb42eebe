"""Declared collections are installed from the configured source, once for all who ask, whole or not at all."""

import asyncio
import json

import pytest

from watchbill.core.playbook_rules import Collection
from watchbill.kit.errors import InvalidError
from watchbill.playbooks import CollectionCache

TASK = "- hosts: all\n  tasks:\n    - crew.deck.greet: {}\n"


def versions(folder):
    manifests = sorted(folder.glob("ansible_collections/*/*/MANIFEST.json"))
    infos = [json.loads(one.read_text())["collection_info"] for one in manifests]
    return {f"{one['namespace']}.{one['name']}": one["version"] for one in infos}


async def refused(cache, *declared):
    with pytest.raises(InvalidError) as caught:
        await cache.path(declared)
    assert not list(cache.data_dir.glob("collections/*"))
    return [(one.field, one.code, one.message) for one in caught.value.problems]


async def test_the_newest_that_will_do_is_installed_with_what_it_needs(cache):
    assert versions(await cache.path([Collection("crew.deck")])) == {"crew.deck": "1.10.0"}
    folder = await cache.path([Collection("crew.sails", ">=2")])
    assert versions(folder) == {"crew.sails": "2.0.0", "crew.deck": "1.2.0"}
    assert not list((cache.data_dir / "work").iterdir())


async def test_it_is_installed_once_for_all_who_ask_at_the_same_time(cache):
    installed = []

    class Counting(CollectionCache):
        async def _install(self, *arguments):
            installed.append(arguments)
            await super()._install(*arguments)

    counting = Counting(cache.data_dir, cache.source)
    declared = [Collection("crew.deck", "1.2.0")]
    paths = await asyncio.gather(*(counting.path(declared) for _ in range(4)))
    assert len(set(paths)) == len(installed) == 1
    assert await CollectionCache(cache.data_dir, cache.source).path(declared) == paths[0]


async def test_two_processes_at_once_make_one_folder(cache):
    declared = [Collection("crew.deck", "1.2.0")]
    other = CollectionCache(cache.data_dir, cache.source)
    assert len(set(await asyncio.gather(cache.path(declared), other.path(declared)))) == 1
    assert len(list(cache.data_dir.glob("collections/*"))) == 1


async def test_what_the_source_has_not_is_named(cache):
    [(field, code, message)] = await refused(cache, Collection("crew.deck"), Collection("crew.boats"))
    assert (field, code) == ("collections.1", "collection_not_found")
    assert "of it there are: none" in message
    [(field, _, message)] = await refused(cache, Collection("crew.deck", ">=3"))
    assert field == "collections.0"
    assert "1.10.0, 1.2.0" in message
    [(field, _, message)] = await refused(cache, Collection("crew.lost"))
    assert (field, "crew.gone" in message) == ("collections", True)
    [(field, _, message)] = await refused(cache, Collection("crew.deck", ">=1.10"), Collection("crew.sails"))
    assert "crew.deck 1.10.0 is needed by another, and <1.5 is wanted" in message


async def test_without_a_source_only_what_the_engine_has_can_be_declared(tmp_path):
    bare = CollectionCache(tmp_path, None)
    assert await bare.path([]) is None
    [(field, code, message)] = await refused(bare, Collection("crew.deck"))
    assert (field, code) == ("collections.0", "collection_not_found")
    assert "WATCHBILL_GALAXY_SOURCE" in message


async def test_a_damaged_archive_installs_nothing(tmp_path, build):
    archive = build(tmp_path / "source", "crew.deck", "1.0.0")
    archive.write_bytes(archive.read_bytes()[:-200])
    [(field, code, _)] = await refused(
        CollectionCache(tmp_path / "data", str(tmp_path / "source")), Collection("crew.deck")
    )
    assert (field, code) == ("collections", "install_failed")


async def test_a_playbook_finds_the_modules_of_its_collections_and_of_no_others(asked):
    assert list(await asked(TASK, collections=[{"name": "crew.deck"}])) == []
    [problem] = await asked(TASK)
    assert "crew.deck.greet" in problem.message
    [absent] = await asked(TASK, collections=[{"name": "crew.boats"}])
    assert (absent.field, absent.code) == ("collections.0", "collection_not_found")
