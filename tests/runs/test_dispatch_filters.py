"""At the hand-out a window on a filter holds back the devices that the filter finds then, and lets the others go."""

from tests.filters.conftest import device_filter, named
from watchbill import filters


async def test_a_blackout_on_a_filter_holds_back_what_the_filter_finds_at_the_hand_out(db, scene):
    async with db.begin() as tx:
        for name in ("web-1", "db-1"):
            await scene.device(tx, name)
        saved = await filters.create(tx, scene.admin, device_filter(named("web")), now=scene.now)
        await scene.window(tx, -5, 60, attachments=[{"kind": "filter", "filter_id": saved.id}])
        occurrence = await scene.open(tx, await scene.job(tx, "web-1", "db-1"))
        delivered = await scene.take(tx)
        assert [one.device_id for one in delivered] == [scene.devices["db-1"]]
        assert (await scene.states(tx, occurrence))["web-1"][1] == "blackout"
