"""When the storm guard goes up is a setting, which not everybody may change."""

import pytest
from sqlalchemy import text

from tests.factories import people
from tests.factories.scene import Scene
from watchbill.identity import Role
from watchbill.kit.db import Database
from watchbill.kit.errors import ForbiddenError
from watchbill.runs import outages
from watchbill.runs.outages import GuardSettings


async def test_settings_of_the_guard_are_kept_and_need_a_permission(db: Database, scene: Scene) -> None:
    wanted = GuardSettings(enabled=False, after_seconds=900, least_jobs=7, trickle_per_minute=12)
    async with db.begin() as tx:
        assert await outages.guard_settings(tx) == GuardSettings(True, 600, 20, None)
        await outages.set_guard(tx, scene.admin, wanted, scene.now)
        assert await outages.guard_settings(tx) == wanted
        operator = await people.make_actor(tx, "otto", Role.OPERATOR, now=scene.now, site_ids=(scene.site,))
        with pytest.raises(ForbiddenError):
            await outages.set_guard(tx, operator, wanted, scene.now)
        done = await tx.execute(text("SELECT actor, detail FROM audit WHERE action = 'storm_guard.update'"))
        assert [(row.actor, row.detail["least_jobs"]) for row in done] == [("ada", 7)]
