"""Settings: every fault at once, nothing read but what is known, secrets never shown."""

import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.kit import settings as kit_settings
from watchbill.kit.settings import Settings, SettingsError, describe, load

PASSWORD = "hunter2"
URL = f"postgresql://engine:{PASSWORD}@db.example/watchbill"


def faults(**environ: str) -> dict[str, str]:
    """Variable -> what is said about it."""
    with pytest.raises(SettingsError) as refused:
        load({f"WATCHBILL_{name.upper()}": value for name, value in environ.items()})
    return {problem.field.removeprefix("WATCHBILL_").lower(): problem.message for problem in refused.value.problems}


def test_nothing_needs_to_be_set() -> None:
    settings = load({"HOME": "/home/ada"})
    assert settings.database_url is None
    assert str(settings.api_listen) == "127.0.0.1:8470"
    assert not settings.is_tls


def test_every_bad_value_is_told_at_once() -> None:
    told = faults(
        data_dir="relative/folder",
        database_url="mysql://db",
        api_listen="8470",
        gateway_listen="host:99999",
        tls="maybe",
        db_pool_size="many",
        session_hours="0",
        public_url="engine.example",
        log_level="loud",
        colour="red",
    )
    assert told.keys() == {
        *("data_dir", "database_url", "api_listen", "gateway_listen", "tls", "db_pool_size", "session_hours"),
        *("public_url", "log_level", "colour"),
    }
    assert told["session_hours"] == "'0' must be a whole number from 1 to 720"
    assert "HOST:PORT" in told["api_listen"]
    assert "auto, on, off" in told["tls"]
    assert "watchbill config" in told["colour"]


def test_a_bad_secret_is_not_repeated() -> None:
    told = faults(database_url=f"mysql://engine:{PASSWORD}@db")
    assert PASSWORD not in told["database_url"]
    with pytest.raises(SettingsError) as refused:
        load({"WATCHBILL_DATABASE_URL": f"mysql://engine:{PASSWORD}@db"})
    assert PASSWORD not in str(refused.value)


def test_variables_of_the_client_and_of_others_are_nobodys_business() -> None:
    load({"WATCHBILL_SERVER": "https://engine.example", "WATCHBILL_TOKEN": "wbt_x", "WATCHTOWER_DATA_DIR": "no"})


def test_an_empty_value_is_no_value() -> None:
    assert load({"WATCHBILL_API_LISTEN": "", "WATCHBILL_PUBLIC_URL": ""}) == load({})


def test_certificate_and_key_come_together() -> None:
    assert "together" in faults(tls_certificate="/etc/tls/cert.pem")["tls_key"]
    assert "together" in faults(tls_key="/etc/tls/key.pem")["tls_key"]


def test_a_hub_must_be_told_where_devices_find_it() -> None:
    assert "where it is" in faults(vpn="on")["vpn_endpoint"]
    assert (
        str(load({"WATCHBILL_VPN": "on", "WATCHBILL_VPN_ENDPOINT": "hub.example:51820"}).vpn_endpoint)
        == "hub.example:51820"
    )


@pytest.mark.parametrize("subnet", ["10.0.0.1/24", "10.0.0.0/30", "10.0.0.0/7", "fd00::/64", "everything"])
def test_a_subnet_has_room_and_is_written_as_one(subnet: str) -> None:
    assert "IPv4 network" in faults(vpn_subnet=subnet)["vpn_subnet"]


@pytest.mark.parametrize("name", ["a-name-of-16-chr", "wb 0", "WB0", "0wb", "wb/0"])
def test_an_interface_has_a_name_that_the_kernel_takes(name: str) -> None:
    assert "at most 15" in faults(vpn_interface=name)["vpn_interface"]


@pytest.mark.parametrize("listen", ["0.0.0.0:8470", "192.0.2.7:8470", "[::]:8470", "engine.example:8470"])
def test_plain_http_stays_on_loopback(listen: str) -> None:
    assert "loopback" in faults(tls="off", api_listen=listen)["tls"]
    assert load({"WATCHBILL_API_LISTEN": listen}).is_tls


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.8.8:65535", "localhost:8470", "[::1]:8470"])
def test_loopback_needs_no_tls(listen: str) -> None:
    settings = load({"WATCHBILL_API_LISTEN": listen})
    assert settings.api_listen.is_loopback
    assert not settings.is_tls
    assert load({"WATCHBILL_API_LISTEN": listen, "WATCHBILL_TLS": "on"}).is_tls


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_database_url_means_the_same(scheme: str) -> None:
    settings = load({"WATCHBILL_DATABASE_URL": f"{scheme}://ada@db/watchbill"})
    assert settings.database_url == "postgresql+psycopg://ada@db/watchbill"


def test_data_lies_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load({"HOME": "/home/ada"}).data_dir == Path("/home/ada/.local/share/watchbill")
    assert load({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}).data_dir == Path("/data/watchbill")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load({"HOME": "/root", "XDG_DATA_HOME": "/data"}).data_dir == Path("/var/lib/watchbill")
    assert load({"WATCHBILL_DATA_DIR": "/srv/wb"}).key_ring_path == Path("/srv/wb/keys/ring.json")


def test_settings_do_not_change() -> None:
    settings = load({})
    with pytest.raises(FrozenInstanceError):
        settings.db_pool_size = 3  # type: ignore[misc] # that is the point


def test_every_setting_is_described_and_secrets_are_not_shown() -> None:
    environ = {"WATCHBILL_DATABASE_URL": URL, "WATCHBILL_SITE_WORKERS": "7"}
    described = {one.variable: one for one in describe(load(environ), environ)}
    assert len(described) == len(Settings.__dataclass_fields__)
    assert all(one.doc.endswith(".") for one in described.values())
    assert described["WATCHBILL_SITE_WORKERS"].value == "7"
    assert described["WATCHBILL_SITE_WORKERS"].default == "4"
    assert described["WATCHBILL_DATABASE_URL"].value == "***"
    assert PASSWORD not in repr(described)


def test_every_default_is_a_value_that_one_could_have_set() -> None:
    environ = {one.variable: one.default for one in describe(load({}), {}) if one.default}
    assert load(environ) == load({})


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    environ = {f"WATCHBILL_{name.upper()}": text for name in Settings.__dataclass_fields__}
    try:
        load(environ)
    except SettingsError as refused:
        assert all(problem.field.startswith(kit_settings.PREFIX) for problem in refused.problems)


@given(st.integers())
def test_a_number_is_taken_within_its_bounds_only(number: int) -> None:
    environ = {"WATCHBILL_HEARTBEAT_SECONDS": str(number)}
    if 5 <= number <= 300:
        assert load(environ).heartbeat_seconds == number
    else:
        with pytest.raises(SettingsError):
            load(environ)
