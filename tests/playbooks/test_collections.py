"""Declared collections are installed from the configured source, once for all who ask, whole or not at all."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from watchbill.core.playbook_rules import Collection
from watchbill.kit.errors import InvalidError
from watchbill.playbooks import CollectionCache, installing, programs

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


class Server(ThreadingHTTPServer):
    """As much of a Galaxy server as an installation asks for: versions, one version, its archive. Wants a token."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}/api/"
        self.tokens: set[str | None] = set()


class Answers(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        return

    def do_GET(self):
        self.server.tokens.add(self.headers["Authorization"])
        path = self.path.partition("?")[0].rstrip("/")
        if path.startswith("/archive/"):
            self._send((self.server.folder / path.removeprefix("/archive/")).read_bytes())
            return
        found = self._found(path.removeprefix("/api"))
        if found is None:
            self.send_error(404)
        else:
            self._send(json.dumps(found).encode())

    def _send(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _found(self, path):
        match path.strip("/").split("/"):
            case [""]:
                return {"available_versions": {"v3": "v3/"}}
            case ["v3", "collections", space, name] if list(self.server.folder.glob(f"{space}-{name}-*")):
                at = "2026-01-01T00:00:00Z"
                return {"namespace": space, "name": name, "created_at": at, "updated_at": at}
            case ["v3", "collections", space, name, "versions"]:
                known = sorted(self.server.folder.glob(f"{space}-{name}-*.tar.gz"))
                versions = [one.name.removesuffix(".tar.gz").rpartition("-")[2] for one in known]
                data = [{"version": one, "href": f"{path}/{one}/"} for one in versions]
                return {"meta": {"count": len(data)}, "links": {"next": None}, "data": data} if data else None
            case ["v3", "collections", space, name, "versions", version]:
                archive = self.server.folder / f"{space}-{name}-{version}.tar.gz"
                content = archive.read_bytes()
                return {
                    "version": version,
                    "href": f"{path}/",
                    "namespace": {"name": space},
                    "collection": {"name": name},
                    "metadata": {"dependencies": {}},
                    "artifact": {
                        "filename": archive.name,
                        "size": len(content),
                        "sha256": hashlib.sha256(content).hexdigest(),
                    },
                    "download_url": self.server.url.replace("/api/", f"/archive/{archive.name}"),
                    "signatures": [],
                }
            case _:
                return None


@pytest.fixture
def server(source) -> Iterator[Server]:
    with Server(source) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


async def test_a_server_is_asked_with_its_token_which_nobody_else_sees(tmp_path, server, monkeypatch):
    asked = []
    real = programs.run

    async def run(argv, **more):
        asked.append(repr((argv, more)))
        return await real(argv, **more)

    monkeypatch.setattr(installing, "run", run)
    with_token = CollectionCache(tmp_path, server.url, "s3cret%token")
    folder = await with_token.path([Collection("crew.deck", "<1.5")])
    assert versions(folder) == {"crew.deck": "1.2.0"}
    assert server.tokens == {"Token s3cret%token"}
    assert "s3cret" not in repr(with_token)
    assert "s3cret" not in asked[0]
    assert not [one for one in tmp_path.rglob("*") if one.is_file() and b"s3cret" in one.read_bytes()]


async def test_a_server_that_has_it_not_or_is_away_is_told(tmp_path, server):
    [(field, code, message)] = await refused(CollectionCache(tmp_path, server.url), Collection("crew.boats"))
    assert (field, code) == ("collections", "install_failed")
    assert "crew.boats" in message
    away = CollectionCache(tmp_path, "http://127.0.0.1:9/api/")
    [(field, code, _)] = await refused(away, Collection("crew.deck"))
    assert (field, code) == ("collections", "install_failed")
