"""Outputs once they are whole: which are the same, what of them can be searched, and who sees it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import Scene
from watchbill import runs
from watchbill.core.output_words import parse
from watchbill.identity import SiteScope
from watchbill.identity.actor import EVERY_SITE
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError
from watchbill.runs import Chunk, Stream, Wanted, output_search, output_texts
from watchbill.runs.output_texts import CUT, PART

BIG = 1 << 30


async def handed_out(tx, scene: Scene, *names: str):
    for name in names:
        if name not in scene.devices:
            await scene.device(tx, name)
    occurrence = await scene.open(tx, await scene.job(tx, *names))
    by_device = {one.device_id: one for one in await scene.take(tx, *names)}
    return occurrence, [by_device[scene.devices[name]] for name in names]


async def ended(tx, scene: Scene, delivery, stdout: bytes = b"", stderr: bytes = b"", **changes):
    """With this output, as one gateway stores it."""
    wrote: list[tuple[Stream, bytes]] = [("stdout", stdout), ("stderr", stderr)]
    chunks = [
        Chunk(delivery.execution_id, delivery.device_id, stream, begins, data[begins : begins + 65_536])
        for stream, data in wrote
        for begins in range(0, len(data), 65_536)
    ]
    await runs.store_output(tx, chunks, limit_bytes=BIG)
    report = scene.report(delivery, stdout_bytes=len(stdout), stderr_bytes=len(stderr), **changes)
    outputs = runs.Outputs(await runs.summarise_output(tx, [report]))
    await runs.finished(tx, [report], scene.now, outputs)


async def groups(tx, occurrence, scope: SiteScope = EVERY_SITE, **changes):
    return await runs.output_groups(tx, scope, occurrence, **{"limit": 50, **changes})


async def found(tx, asked: str, scope: SiteScope = EVERY_SITE, *, limit: int = 50, cursor: str | None = None, **where):
    return await runs.search(tx, scope, Wanted(parse(asked), **where), limit=limit, cursor=cursor)


async def hosts(tx, asked: str, scope: SiteScope = EVERY_SITE, **where) -> set[str]:
    return {hit.hostname for hit in (await found(tx, asked, scope, **where)).items}


# --- the same ----------------------------------------------------------------------------------------------------------


async def test_outputs_that_are_the_same_are_one_group_with_its_number(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, "a", "b", "c", "d")
        for one in deliveries[:3]:
            await ended(tx, scene, one, b"ok\n", b"warned\n")
        await ended(tx, scene, deliveries[3], b"ok \n", b"warned\n")
        first, second = (await groups(tx, occurrence)).items
        assert (first.devices, first.stdout, first.stderr) == (3, "ok\n", "warned\n")
        assert (second.devices, second.stdout) == (1, "ok \n"), "a blank more is another output"
        kept = await tx.execute(text("SELECT count(*) FROM output_texts"))
        assert kept.scalar_one() == 2, "each output of a run is kept once"
        rows = await runs.device_rows(tx, EVERY_SITE, occurrence, runs.RowFilter(output=first.name), limit=2)
        assert [row.hostname for row in rows.items] == ["a", "b"]
        more = await runs.device_rows(
            tx, EVERY_SITE, occurrence, runs.RowFilter(output=first.name), limit=2, cursor=rows.next_cursor
        )
        assert [row.hostname for row in more.items] == ["c"]


@pytest.mark.parametrize(
    "other",
    [
        {"exit_code": 1},
        {"stdout": b"", "stderr": b"same"},
        {"stdout": b"sam"},
        {"outcome": "timed_out", "exit_code": None},
    ],
)
async def test_another_ending_or_another_stream_is_another_group(db: Database, scene: Scene, other) -> None:
    async with db.begin() as tx:
        occurrence, (one, two) = await handed_out(tx, scene, "a", "b")
        await ended(tx, scene, one, stdout=b"same")
        await ended(tx, scene, two, **{"stdout": b"same", **other})
        assert [one.devices for one in (await groups(tx, occurrence)).items] == [1, 1]


async def test_the_same_bytes_in_other_chunks_and_sent_twice_are_the_same(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (one, two) = await handed_out(tx, scene, "a", "b")
        await ended(tx, scene, one, b"abcdef")
        parts = [
            Chunk(two.execution_id, two.device_id, "stdout", at, data)
            for at, data in ((0, b"ab"), (1, b"bcd"), (2, b"c"), (4, b"ef"))
        ]
        await runs.store_output(tx, parts, limit_bytes=BIG)
        report = scene.report(two, stdout_bytes=6)
        outputs = runs.Outputs(await runs.summarise_output(tx, [report]))
        await runs.finished(tx, [report], scene.now, outputs)
        [group] = (await groups(tx, occurrence)).items
        assert (group.devices, group.stdout) == (2, "abcdef")


async def test_another_gap_between_the_same_ends_is_another_output(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, "a", "b")
        for one, gap in zip(deliveries, (100, 101), strict=True):
            parts = [
                Chunk(one.execution_id, one.device_id, "stdout", at, data) for at, data in ((0, b"head"), (gap, b"end"))
            ]
            await runs.store_output(tx, parts, limit_bytes=BIG)
            report = scene.report(one, stdout_bytes=500, truncated=True)
            outputs = runs.Outputs(await runs.summarise_output(tx, [report]))
            await runs.finished(tx, [report], scene.now, outputs)
        assert [one.devices for one in (await groups(tx, occurrence)).items] == [1, 1]


PIECES: list[list[tuple[Stream, int, bytes]]] = [
    [("stdout", 0, b"whole")],
    [("stderr", 3, b"late"), ("stdout", 0, b"a"), ("stdout", 1, b"b")],
    [("stdout", 5, b"gap"), ("stdout", 0, b"ab"), ("stdout", 1, b"bcd"), ("stdout", 2, b"c")],
    [("stdout", 7, b"no beginning")],
    [("stdout", 0, b"x"), ("stdout", 0, b"x"), ("stderr", 0, b"twice")],
]


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("pieces", PIECES)
async def test_an_output_that_comes_with_its_result_is_known_by_the_same_name_as_one_that_came_before(
    db: Database, scene: Scene, pieces: list[tuple[Stream, int, bytes]], before: int
) -> None:
    """`before`: how many of its chunks had come earlier. What is at hand is judged by this process, the rest by the database."""
    async with db.begin() as tx:
        _, (one,) = await handed_out(tx, scene, "a")
        chunks = [Chunk(one.execution_id, one.device_id, *piece) for piece in pieces]
        await runs.store_output(tx, chunks[:before], limit_bytes=BIG)
        stored = await runs.store_output(tx, chunks[before:], limit_bytes=BIG, ending={one.execution_id})
        report = scene.report(one)
        hashes = await runs.summarise_output(tx, [report], stored)
        texts = await runs.text_of(tx, [(one.run_id, hashes[report.told])])
        assert hashes == await runs.summarise_output(tx, [report])
        await tx.execute(text("DELETE FROM output_texts"))
        await runs.summarise_output(tx, [report])
        assert texts
        assert texts == await runs.text_of(tx, [(one.run_id, hashes[report.told])])


async def test_what_is_too_long_to_be_compared_is_the_same_as_no_other(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_texts, "COMPARED", 5)
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, "a", "b", "c", "d")
        for one, words in zip(deliveries, (b"12345", b"12345", b"123456", b"123456"), strict=True):
            await ended(tx, scene, one, words)
        assert [one.devices for one in (await groups(tx, occurrence)).items] == [2, 1, 1]
        assert await hosts(tx, "123456") == {"c", "d"}


async def test_no_output_is_a_group_too_and_what_still_runs_is_in_none(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, "a", "b", "c")
        for one in deliveries[:2]:
            await ended(tx, scene, one)
        [group] = (await groups(tx, occurrence)).items
        assert (group.devices, group.stdout, group.stderr, group.exit_code) == (2, "", "", 0)


async def test_what_ended_before_outputs_were_compared_is_told_apart(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (one,) = await handed_out(tx, scene, "a")
        await runs.finished(tx, [scene.report(one)], scene.now)
        [group] = (await groups(tx, occurrence)).items
        assert (group.name, group.devices, group.exit_code) == ("unknown", 1, None)
        rows = await runs.device_rows(tx, EVERY_SITE, occurrence, runs.RowFilter(output="unknown"), limit=9)
        assert [row.hostname for row in rows.items] == ["a"]


async def test_of_a_device_the_last_execution_counts(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (one,) = await handed_out(tx, scene, "a")
        await ended(tx, scene, one, b"first try")
        again = """INSERT INTO executions SELECT (jsonb_populate_record(e, to_jsonb(e)
          || '{"attempt": 2, "id": "00000000-0000-4000-8000-000000000009", "output_hash": null}')).* FROM executions e"""
        await tx.execute(text(again))
        [group] = (await groups(tx, occurrence)).items
        assert group.name == "unknown"
        [before] = (await found(tx, "first")).items
        name = before.output_hash.hex()
        assert (await runs.device_rows(tx, EVERY_SITE, occurrence, runs.RowFilter(output=name), limit=9)).items == []


async def test_groups_are_paged_the_largest_first(db: Database, scene: Scene) -> None:
    names = [f"d{number}" for number in range(6)]
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, *names)
        for one, words in zip(deliveries, (b"x", b"y", b"y", b"z", b"z", b"z"), strict=True):
            await ended(tx, scene, one, words)
        seen, cursor = [], None
        while True:
            page = await groups(tx, occurrence, limit=1, cursor=cursor)
            seen += [(one.stdout, one.devices) for one in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert seen == [("z", 3), ("y", 2), ("x", 1)]


async def test_a_result_that_is_brought_again_changes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (one,) = await handed_out(tx, scene, "a")
        await ended(tx, scene, one, b"once")
        before = (await groups(tx, occurrence)).items
        await ended(tx, scene, one, b"once", exit_code=3)
        assert (await groups(tx, occurrence)).items == before


async def test_two_gateways_that_bring_the_same_outputs_at_once_both_come_through(db: Database, scene: Scene) -> None:
    """Each has its first half in common with the other's second half."""
    names = [f"d{number}" for number in range(8)]
    async with db.begin() as tx:
        occurrence, deliveries = await handed_out(tx, scene, *names)

    async def bring(mine, words) -> None:
        async with db.begin() as tx:
            pairs = list(zip(mine, words, strict=True))
            chunks = [Chunk(one.execution_id, one.device_id, "stdout", 0, word) for one, word in pairs]
            await runs.store_output(tx, chunks, limit_bytes=BIG)
            reports = [scene.report(one, stdout_bytes=len(word)) for one, word in pairs]
            outputs = runs.Outputs(await runs.summarise_output(tx, reports))
            await runs.started(tx, [(one.execution_id, one.device_id, scene.now) for one in mine], scene.now)
            await runs.finished(tx, reports, scene.now, outputs)

    words = [b"north", b"east", b"south", b"west"]
    await asyncio.gather(bring(deliveries[:4], words), bring(deliveries[4:], words[::-1]))
    async with db.begin() as tx:
        assert [one.devices for one in (await groups(tx, occurrence)).items] == [2, 2, 2, 2]


# --- searched ----------------------------------------------------------------------------------------------------------


async def test_words_phrases_and_beginnings_are_found_in_either_stream(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, (one, two) = await handed_out(tx, scene, "a", "b")
        await ended(tx, scene, one, b"No space left on /dev/sda1\n", b"error 0x80070005\n")
        await ended(tx, scene, two, b"all is well, left over space\n")
        assert await hosts(tx, "SPACE left") == {"a", "b"}
        assert await hosts(tx, '"space left"') == {"a"}
        assert await hosts(tx, "/dev/sda1") == {"a"}
        assert await hosts(tx, "0x8007*") == {"a"}
        assert await hosts(tx, "0x8007") == set()
        assert await hosts(tx, "error", stream="stdout") == set()
        assert await hosts(tx, "error", stream="stderr") == {"a"}
        assert await hosts(tx, '"sda1 error"') == set(), "two streams are no neighbours"
        [hit] = (await found(tx, "0x8007*")).items
        assert hit.snippet is not None
        assert hit.stream == "stderr"
        assert hit.snippet.text[hit.snippet.begins : hit.snippet.ends] == "0x80070005"


async def test_any_bytes_can_be_searched(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, (one,) = await handed_out(tx, scene, "a")
        await ended(
            tx, scene, one, b"\x00\xff\xfe binary \xc3\x28 'quoted' \\slash \xf0\x9f\x98\x80 gr\xc3\xbc\xc3\x9fe \x00"
        )
        for asked in ("binary", "quoted", "slash", "GRÜßE"):
            assert await hosts(tx, asked) == {"a"}, asked


async def test_of_a_long_output_its_two_ends_are_searched(db: Database, scene: Scene) -> None:
    long = b"beginning " + b"x " * PART + b"middle " + b"y " * PART + b"ending"
    async with db.begin() as tx:
        occurrence, (one,) = await handed_out(tx, scene, "a")
        await ended(tx, scene, one, long)
        assert [await hosts(tx, word) for word in ("beginning", "middle", "ending")] == [{"a"}, set(), {"a"}]
        [row] = (await tx.execute(text("SELECT run_id, hash, stdout FROM output_texts"))).all()
        head, tail = row.stdout.split(CUT)
        assert (head.encode(), tail.encode()) == (long[:PART], long[-PART:])
        [group] = (await groups(tx, occurrence)).items
        assert len(group.stdout) == 2000


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
async def test_what_fits_is_kept_whole(db: Database, scene: Scene, size: int) -> None:
    wrote = bytes(97 + number % 26 for number in range(size))
    async with db.begin() as tx:
        _, (one,) = await handed_out(tx, scene, "a")
        await ended(tx, scene, one, wrote)
        kept = (await tx.execute(text("SELECT stdout FROM output_texts"))).scalar_one().encode()
    assert (kept == wrote) == (size <= 2 * PART)
    assert len(kept) <= 2 * PART + len(CUT)


async def test_filters_narrow_a_search(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first, (a, b) = await handed_out(tx, scene, "a", "b")
        await ended(tx, scene, a, b"word")
        await ended(tx, scene, b, b"word", exit_code=1)
        second, (c,) = await handed_out(tx, scene, "c")
        await ended(tx, scene, c, b"word")
        job = (await found(tx, "word", occurrence_id=second)).items[0].job_id
        assert await hosts(tx, "word") == {"a", "b", "c"}
        assert await hosts(tx, "word", occurrence_id=first) == {"a", "b"}
        assert await hosts(tx, "word", job_id=job) == {"c"}
        assert await hosts(tx, "word", device_id=scene.devices["b"]) == {"b"}
        assert await hosts(tx, "word", states=["failed"]) == {"b"}
        assert await hosts(tx, "word", exit_code=0) == {"a", "c"}
        assert await hosts(tx, "word", site_ids=[scene.site + 1]) == set()
        hour = timedelta(hours=1)
        assert await hosts(tx, "word", since=scene.now - hour, until=scene.now + hour) == {"a", "b", "c"}
        assert await hosts(tx, "word", since=scene.now + hour) == set()
        assert await hosts(tx, "word", until=scene.now - hour) == set()


async def test_a_search_is_paged_the_newest_first_and_each_is_told_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for names in (("a", "b", "c"), ("d", "e")):
            _, deliveries = await handed_out(tx, scene, *names)
            for one in deliveries:
                await ended(tx, scene, one, b"word")
        seen, cursor = [], None
        while True:
            page = await found(tx, "word", limit=2, cursor=cursor)
            seen += [hit.hostname for hit in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert (set(seen[:2]), sorted(seen)) == ({"d", "e"}, ["a", "b", "c", "d", "e"])


async def test_sites_bound_what_is_found_and_counted(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        other = await places.make_site(tx, "Lighthouse", now=scene.now)
        await scene.device(tx, "far", site=other)
        await scene.device(tx, "none", site=None)
        occurrence, (near, far, none) = await handed_out_everywhere(tx, scene, "near", "far", "none")
        for one in (near, far, none):
            await ended(tx, scene, one, b"secret word")
        for scope, names in (
            (SiteScope(frozenset({scene.site})), {"near"}),
            (SiteScope(frozenset({other})), {"far"}),
            (SiteScope(frozenset()), set()),
            (EVERY_SITE, {"near", "far", "none"}),
        ):
            assert await hosts(tx, "word", scope) == names
            assert sum(one.devices for one in (await groups(tx, occurrence, scope)).items) == len(names)
        mine = SiteScope(frozenset({scene.site}))
        assert await hosts(tx, "word", mine, site_ids=[other]) == set()


async def handed_out_everywhere(tx, scene: Scene, *names: str):
    """Released in every site, and where there is none."""
    for name in names:
        if name not in scene.devices:
            await scene.device(tx, name)
    one = scene.opening(await scene.job(tx, *names))
    await runs.open_occurrences(tx, [one], scene.now)
    for run in await runs.runs_of(tx, [one.id]):
        for row in (await scene.rows(tx, one.id)).values():
            await runs.release(tx, run.id, row.site_id or 0, scene.now)
    by_device = {one.device_id: one for one in await scene.take(tx, *names)}
    return one.id, [by_device[scene.devices[name]] for name in names]


async def test_a_search_that_takes_too_long_is_refused_and_says_what_helps(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.begin() as tx:
        _, (one,) = await handed_out(tx, scene, "a")
        await ended(tx, scene, one, b"word")
    monkeypatch.setattr(output_search, "MOST", timedelta(milliseconds=50))
    async with db.begin() as holder:
        await holder.execute(text("LOCK TABLE output_texts"))
        with pytest.raises(InvalidError) as refused:
            async with db.begin() as tx:
                await found(tx, "word")
    assert [one.code for one in refused.value.problems] == ["too_slow"]


async def test_a_foreign_report_compares_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (one, two) = await handed_out(tx, scene, "a", "b")
        foreign = replace(scene.report(one), device_id=two.device_id)
        outputs = runs.Outputs(await runs.summarise_output(tx, [foreign]))
        await runs.finished(tx, [foreign], scene.now, outputs)
        hashes = await tx.execute(text("SELECT count(*) FROM executions WHERE output_hash IS NOT NULL"))
        assert hashes.scalar_one() == 0
        assert (await groups(tx, occurrence)).items == []
