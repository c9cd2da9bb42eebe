"""Files on the socket: who may fetch what, piece by piece, and never a script without its files."""

import hashlib
import uuid

import pytest
from sqlalchemy import text

import watchbill_wire as wire
from tests.gateway.harbour import Harbour, Peer
from watchbill import assemblies, runs
from watchbill.core.states import TargetState as S
from watchbill.identity import ENGINE

CONTENT = bytes(range(251)) * 2200  # more than two pieces, and no multiple of one
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def with_file(harbour: Harbour) -> Harbour:
    """The scene's script has a file."""
    async with harbour.db.begin() as tx:
        now = harbour.scene.now
        upload = await assemblies.begin_upload(tx, ENGINE, now)
        await upload.add(tx, CONTENT)
        await assemblies.finish_upload(tx, ENGINE, upload, now)
        before = await assemblies.lock(tx, ENGINE, harbour.scene.script)
        files = [{"name": "tool", "sha256": DIGEST}]
        await assemblies.update(tx, ENGINE, before, {**before.draft.to_json(), "files": files}, now=now)
    return harbour


async def greet(peer: Peer, *known: wire.Delivery) -> None:
    await peer.say(wire.Hello("0.1.0", "boot", tuple(known), fetches_files=True))
    await peer.hear(wire.Welcome)


async def fetched(peer: Peer, execution_id: str) -> bytes:
    found = b""
    while len(found) < len(CONTENT):
        await peer.say(wire.Fetch(execution_id, DIGEST, len(found)))
        piece = await peer.hear(wire.Piece)
        assert (piece.execution_id, piece.sha256, piece.offset) == (execution_id, DIGEST, len(found))
        found += piece.data
    return found


async def refused(peer: Peer, execution_id: str, sha256: str = DIGEST, offset: int = 0) -> bool:
    await peer.say(wire.Fetch(execution_id, sha256, offset))
    answer = await peer.hear(wire.NoFile)
    return bool((answer.execution_id, answer.sha256) == (execution_id, sha256))


async def test_an_order_names_its_files_and_its_device_fetches_them(with_file: Harbour) -> None:
    device = await with_file.device()
    async with with_file.dial(device, hello=False) as peer:
        await greet(peer)
        _, occurrence = await with_file.job("alpha")
        order = await peer.order()
        assert (order.v, order.files) == (2, (wire.FileOf("tool", len(CONTENT), DIGEST),))
        assert order.fetch_seconds == runs.FETCH_LIMIT.total_seconds()
        async with with_file.db.begin() as tx:
            waits = await tx.execute(
                text("SELECT deadline_at - CAST(:now AS timestamptz) > CAST(:most AS interval) FROM run_targets"),
                {"now": with_file.scene.now, "most": runs.FETCH_LIMIT},
            )
            assert waits.scalar_one() is True
        assert await fetched(peer, order.execution_id) == CONTENT
        assert await refused(peer, order.execution_id, "0" * 64)
        assert await refused(peer, order.execution_id, offset=len(CONTENT))
        assert await refused(peer, str(uuid.uuid4()))
        now = with_file.scene.now
        await peer.say(wire.Result(order.execution_id, "exited", now, exit_code=0, started_at=now))
        await peer.hear(wire.ResultAck)
        assert await refused(peer, order.execution_id)
        await with_file.becomes(occurrence, S.SUCCESS, None)


async def test_no_device_fetches_what_is_for_another(with_file: Harbour) -> None:
    alpha, beta = await with_file.device(), await with_file.device("beta")
    async with with_file.dial(alpha, hello=False) as mine, with_file.dial(beta, hello=False) as theirs:
        await greet(mine)
        await greet(theirs)
        await with_file.job("alpha")
        order = await mine.order()
        assert await refused(theirs, order.execution_id)
        assert await fetched(mine, order.execution_id) == CONTENT


async def test_an_agent_that_cannot_fetch_is_left_out_and_told_so(with_file: Harbour) -> None:
    device = await with_file.device()
    async with with_file.dial(device) as peer:
        _, occurrence = await with_file.job("alpha")
        await with_file.becomes(occurrence, S.SKIPPED, "preflight_failed")
        async with with_file.db.begin() as tx:
            rows = await with_file.scene.rows(tx, occurrence)
        assert "update the agent" in (rows["alpha"].detail or "")
        assert not [one for one in peer.heard if isinstance(one, wire.Execute)]


async def test_a_lost_content_is_said(with_file: Harbour) -> None:
    device = await with_file.device()
    async with with_file.dial(device, hello=False) as peer:
        await greet(peer)
        await with_file.job("alpha")
        order = await peer.order()
        async with with_file.db.begin() as tx:
            await tx.execute(text("DELETE FROM file_contents"))
        assert await refused(peer, order.execution_id)
