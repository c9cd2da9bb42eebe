"""What scripts set by a line of their output: with the result that records their success, and never from half a line."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from watchbill import devices, runs
from watchbill.core.custom_field_rules import FieldType
from watchbill.devices import FieldDraft, custom_fields
from watchbill.kit.db import Database
from watchbill.runs import Chunk, Delivery

TYPES = {"note": "text", "size": "number", "spare": "boolean", "bought": "date"}


@pytest.fixture
async def fields(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name, kind in TYPES.items():
            draft = FieldDraft(name, name, FieldType(kind), "", settable_by_scripts=True)
            await custom_fields.create_field(tx, scene.admin, draft, now=scene.now)


async def deliver(tx: AsyncConnection, scene: Scene, *names: str) -> dict[str, Delivery]:
    for name in names:
        if name not in scene.devices:
            await scene.device(tx, name)
    await scene.open(tx, await scene.job(tx, *names))
    hosts = {device_id: name for name, device_id in scene.devices.items()}
    return {hosts[one.device_id]: one for one in await scene.take(tx, *names)}


def chunks(delivery: Delivery, *pieces: tuple[int, bytes], stream: Any = "stdout") -> list[Chunk]:
    return [Chunk(delivery.execution_id, delivery.device_id, stream, offset, data) for offset, data in pieces]


async def end(
    tx: AsyncConnection, scene: Scene, delivery: Delivery, output: bytes | list[Chunk], **changes: Any
) -> None:
    """As a gateway does it: the output, the result, and what it sets."""
    pieces = chunks(delivery, (0, output)) if isinstance(output, bytes) else output
    await runs.store_output(tx, pieces, limit_bytes=2**20)
    total = max((one.offset + len(one.data) for one in pieces if one.stream == "stdout"), default=0)
    report = scene.report(delivery, **{"stdout_bytes": total, **changes})
    await devices.reported(tx, [], (await runs.finished(tx, [report], scene.now)).settings, scene.now)


async def values(tx: AsyncConnection, scene: Scene, name: str) -> dict[str, Any]:
    device = await devices.get_device(tx, scene.admin, scene.devices[name])
    return {field: one.value for field, one in device.custom_values.items()}


async def detail(tx: AsyncConnection, scene: Scene, delivery: Delivery) -> str | None:
    page = await runs.device_rows(tx, scene.admin.scope, delivery.occurrence_id, limit=10)
    return next(row.detail for row in page.items if row.target_id == delivery.target_id)


@pytest.mark.usefixtures("fields")
async def test_a_success_sets_what_its_output_says(db: Database, scene: Scene) -> None:
    output = (
        b"checking\n::watchbill set note=by the door\n  ::watchbill set size=1\n::watchbill set size = 2.5\r\n"
        b"::watchbill set spare=no\nsaid ::watchbill set note=wrong\n::watchbill set bought=2024-02-29"
    )
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, one, output)
        assert await values(tx, scene, "alpha") == {
            "note": "by the door",
            "size": 2.5,
            "spare": False,
            "bought": "2024-02-29",
        }
        device = await devices.get_device(tx, scene.admin, scene.devices["alpha"])
        assert {value.set_by for value in device.custom_values.values()} == {"script"}
        assert await detail(tx, scene, one) is None


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize(
    "changes",
    [
        {"exit_code": 1},
        {"exit_code": 9},
        {"outcome": "timed_out", "exit_code": None},
        {"exit_code": None, "signal": 9},
    ],
)
async def test_what_did_not_succeed_sets_nothing(db: Database, scene: Scene, changes: dict[str, Any]) -> None:
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, one, b"::watchbill set size=1\n", **changes)
        assert await values(tx, scene, "alpha") == {}


@pytest.mark.usefixtures("fields")
async def test_error_output_and_what_another_device_sends_set_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        both = await deliver(tx, scene, "alpha", "beta")
        line = b"::watchbill set size=1\n"
        await end(tx, scene, both["alpha"], chunks(both["alpha"], (0, line), stream="stderr"), stdout_bytes=9)
        forged = [Chunk(both["beta"].execution_id, scene.devices["alpha"], "stdout", 0, line)]
        await end(tx, scene, both["beta"], forged)
        assert await values(tx, scene, "alpha") == await values(tx, scene, "beta") == {}


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize("cut", [1, 5, 15, 16, 17, 20, 22])
async def test_a_line_may_be_cut_anywhere_between_two_pieces(db: Database, scene: Scene, cut: int) -> None:
    line = b"::watchbill set size=12"
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        # The second piece repeats the end of the first, as after a reconnect.
        again = max(1, cut - 3)
        await end(tx, scene, one, chunks(one, (0, line[:cut]), (again, line[again:])))
        assert await values(tx, scene, "alpha") == {"size": 12.0}


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize(
    ("pieces", "total"),
    [
        ([(0, b"::watchbill set size=12")], 30),
        ([(0, b"::watchbill set size=12"), (90, b"\nthe end\n")], 99),
        ([(0, b"x\n"), (90, b"::watchbill set size=12\n")], 114),
    ],
)
async def test_half_a_line_beside_what_was_not_kept_sets_nothing(
    db: Database, scene: Scene, pieces: list[tuple[int, bytes]], total: int
) -> None:
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, one, chunks(one, *pieces), stdout_bytes=total)
        assert await values(tx, scene, "alpha") == {}


@pytest.mark.usefixtures("fields")
async def test_any_bytes_around_a_line_leave_it_what_it_is(db: Database, scene: Scene) -> None:
    output = b"\x00\xff\xfe\\\n::watchbill set note=B\xc3\xbcro \\n 1\n" + bytes(range(256))
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, one, output)
        assert await values(tx, scene, "alpha") == {"note": "Büro \\n 1"}


@pytest.mark.usefixtures("fields")
async def test_what_cannot_be_set_is_told_with_the_result(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        draft = FieldDraft("owner", "Owner", FieldType.TEXT, "", settable_by_scripts=False)
        await custom_fields.create_field(tx, scene.admin, draft, now=scene.now)
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        lines = b"::watchbill set owner=me\n::watchbill set colour=red\n::watchbill set size=big\n::watchbill set spare=on\n"
        await end(tx, scene, one, lines)
        assert await values(tx, scene, "alpha") == {"spare": True}
        assert await detail(tx, scene, one) == (
            "Custom values not set: owner is not for scripts to set; colour is no custom field; size must be a number, not 'big'."
        )


@pytest.mark.usefixtures("fields")
async def test_a_result_that_comes_late_does_not_undo_what_was_set_after_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first = (await deliver(tx, scene, "alpha"))["alpha"]
        second = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, second, b"::watchbill set size=2\n")
        await end(tx, scene, first, b"::watchbill set size=1\n", finished_at=scene.now - timedelta(hours=1))
        assert await values(tx, scene, "alpha") == {"size": 2.0}


@pytest.mark.usefixtures("fields")
async def test_the_revision_grows_with_a_value_and_not_with_its_repeat(db: Database, scene: Scene) -> None:
    seen = []
    async with db.begin() as tx:
        for output in (
            b"::watchbill set size=2\n",
            b"::watchbill set size=2\n",
            b"::watchbill set size=3\n",
            b"quiet\n",
        ):
            one = (await deliver(tx, scene, "alpha"))["alpha"]
            await end(tx, scene, one, output)
            seen.append((await devices.get_device(tx, scene.admin, scene.devices["alpha"])).inventory_revision)
    assert seen == [1, 1, 2, 2]


@pytest.mark.usefixtures("fields")
async def test_a_field_that_is_deleted_meanwhile_is_let_go(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await runs.store_output(tx, chunks(one, (0, b"::watchbill set size=2\n")), limit_bytes=2**20)
        settings = (await runs.finished(tx, [scene.report(one, stdout_bytes=23)], scene.now)).settings
        size = next(field for field in await custom_fields.list_fields(tx, scene.admin) if field.name == "size")
        await custom_fields.delete_field(tx, scene.admin, size, used_by=(), now=scene.now)
        await devices.reported(tx, [(uuid.uuid4(), "d", {})], settings, scene.now)
        assert await values(tx, scene, "alpha") == {}


async def test_where_no_field_is_for_scripts_output_says_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        one = (await deliver(tx, scene, "alpha"))["alpha"]
        await end(tx, scene, one, b"::watchbill set size=1\n")
        assert await detail(tx, scene, one) is None
