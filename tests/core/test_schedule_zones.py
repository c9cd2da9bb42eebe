"""Zone rules: the whole wheel loads, wall clocks resolve as another library resolves them, changes are found exactly."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
import whenever
from hypothesis import given
from hypothesis import strategies as st

from tests.core.schedule_strategies import MOMENTS, UNTIMED, ZONES, zone_of
from watchbill.core.zones import find_zone, tzdata_version, zone_names


@pytest.fixture(scope="module", autouse=True)
def _whenever_reads_the_wheel():
    whenever.reset_tzpath([str(Path(str(files("tzdata"))) / "zoneinfo")])
    whenever.clear_tzcache()


def test_every_zone_of_the_wheel_loads():
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert len(zone_names()) > 500
    for name in zone_names():
        zone = zone_of(name)
        assert abs(zone.offset(noon)) <= timedelta(hours=14)


def test_names_are_exact():
    assert find_zone("europe/berlin") is None
    assert find_zone("../tzdata/zones") is None
    assert find_zone("Europe/Berlin") is find_zone("Europe/Berlin")
    assert tzdata_version() >= "2026f"


@UNTIMED
@given(ZONES, MOMENTS, st.integers(-180, 180))
def test_wall_clocks_resolve_as_another_library_resolves_them(name, moment, minutes):
    zone = zone_of(name)
    change = zone.change_between(moment, moment + timedelta(days=400))
    wall = (zone.wall(change.at if change else moment) + timedelta(minutes=minutes)).replace(second=0)
    plain = whenever.PlainDateTime(wall.year, wall.month, wall.day, wall.hour, wall.minute)
    other = plain.assume_tz(name, disambiguation="compatible")
    assert zone.resolve(wall).timestamp() == other.timestamp()
    gap = zone.spread(wall) > timedelta()
    assert (zone.wall(zone.resolve(wall)) == wall) is not gap


@UNTIMED
@given(ZONES, MOMENTS)
def test_a_change_is_found_at_its_very_second(name, moment):
    zone = zone_of(name)
    change = zone.change_between(moment, moment + timedelta(days=800))
    end = change.at if change else moment + timedelta(days=800)
    probes = [moment + number * (end - moment) / 50 for number in range(50)]
    assert {zone.offset(probe) for probe in probes} == {zone.offset(moment)}
    if change:
        assert zone.offset(change.at - timedelta(seconds=1)) == change.before
        assert zone.offset(change.at) == change.after
        assert change.before != change.after
