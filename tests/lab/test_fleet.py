"""Real agents on hosts of a lab, at a whole Engine on another: two of one name in two sites, one switched off in the middle of its work."""

from collections.abc import Iterator

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.fleet import Fleet, fleet, until

pytestmark = [needs_lab, pytest.mark.timeout(300)]


@pytest.fixture
def crew() -> Iterator[Fleet]:
    with fleet() as made:
        yield made


def test_agents_of_one_name_in_two_sites_are_two_devices_and_one_may_lose_its_power(crew: Fleet) -> None:
    for site in ("Harbour", "Lighthouse"):
        crew.site(site)
    hosts = [crew.device("web-1", site) for site in ("Harbour", "Lighthouse")]
    until("both are connected", lambda: crew.online() == 2)
    listed = crew.cli("devices", "list")["items"]
    assert {(one["hostname"], one["site_name"]) for one in listed} == {("web-1", "Harbour"), ("web-1", "Lighthouse")}
    assert len({one["external_address"] for one in listed}) == 2
    hosts[0].power_off()
    until("one is away", lambda: crew.online() == 1)
    crew.lab.turn_on(hosts[0])
    crew.start_agent(hosts[0])
    until("it is back", lambda: crew.online() == 2)
    assert crew.cli("tunnels", "status")["hub"]["state"] == "up"
