"""The Engine's clock is the database's; a host's is only compared with it."""

from datetime import timedelta

from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

_ROUNDING = timedelta(milliseconds=1)


async def test_a_host_whose_clock_is_the_databases_is_not_off(db: Database) -> None:
    async with db.begin() as tx:
        ahead, uncertain = await Clock().host_skew(tx)
    assert timedelta() <= uncertain < timedelta(seconds=20)
    assert abs(ahead) <= uncertain + _ROUNDING, "the database read its clock somewhere between our two looks"


async def test_a_shifted_engine_is_compared_by_the_true_clocks(db: Database) -> None:
    async with db.begin() as tx:
        true = await Clock().now(tx)
        shifted = Clock(timedelta(days=3))
        assert timedelta(days=3) <= await shifted.now(tx) - true < timedelta(days=3, seconds=20)
        ahead, uncertain = await shifted.host_skew(tx)
    assert abs(ahead) <= uncertain + _ROUNDING
