"""Settings: one frozen object, read from WATCHBILL_* variables once at start and passed down. Never read at import.

The fields below are the documentation: `watchbill config` prints them.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal

from watchbill.core.problems import Problem

PREFIX = "WATCHBILL_"
TlsMode = Literal["auto", "on", "off"]
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


class SettingsError(Exception):
    """One or more settings have bad values; `problems` names each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{p.field}: {p.message}" for p in problems))


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on: host and TCP port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return self.host.startswith(_LOOPBACK)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _default_data_dir(environ: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/watchbill"
    base = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local/share")
    return f"{base}/watchbill"


def _listen(text: str) -> Listen:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8470 or 0.0.0.0:8470")
    return Listen(host.strip("[]"), int(port))


def _absolute(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~somebody whom this machine does not know
        raise ValueError("must be an absolute path; there is no such home directory") from None
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _url(text: str) -> str:
    if not re.fullmatch(r"(https?|wss?)://[^\s/]+(/[^\s]*)?", text):
        raise ValueError("must be a URL such as https://watchbill.example.org:8470")
    return text.rstrip("/")


def _http_url(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise ValueError("must be a URL such as https://hc.example.org/ping/6b1c")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", text):
        raise ValueError("must be a host name or an address such as mail.example.org")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}", text):
        raise ValueError("must be one e-mail address such as watchbill@example.org")
    return text


def _database_url(text: str) -> str:
    if not re.match(r"postgres(ql)?(\+psycopg)?://", text):
        raise ValueError("must be a PostgreSQL URL: postgresql://user@host/database")
    return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", text)


def _galaxy(text: str) -> str:
    if text.startswith(("http://", "https://")):
        return _http_url(text)
    if not re.fullmatch(r"/[^\x00-\x1f]*", text):
        raise ValueError("must be a folder such as /srv/collections, or a URL such as https://galaxy.example.org")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be one line of visible ASCII characters")
    return text


def _subnet(text: str) -> IPv4Network:
    try:
        subnet = IPv4Network(text)
    except ValueError:
        raise ValueError("must be an IPv4 network such as 100.96.0.0/12") from None
    if not 8 <= subnet.prefixlen <= 29:
        raise ValueError("must be an IPv4 network from /8 to /29, so that there are addresses for devices")
    return subnet


def _interface(text: str) -> str:
    # 15 characters are the kernel's limit.
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,14}", text):
        raise ValueError("must be a name of at most 15 small letters, digits, - and _, such as wbhub")
    return text


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words or not words[0].startswith("/"):
        raise ValueError("must be a command line that begins with an absolute path; no shell runs it")
    return text


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def _setting(default: str | None, parse: Callable[[str], Any], doc: str, *, is_secret: bool = False) -> Any:
    return field(metadata={"default": default, "parse": parse, "doc": doc, "is_secret": is_secret})


@dataclass(frozen=True, slots=True)
class Settings:
    data_dir: Path = _setting("", _absolute, "Where the embedded database, keys and certificates live.")
    database_url: str | None = _setting(
        None, _database_url, "A PostgreSQL 15+ database to use instead of the embedded one.", is_secret=True
    )
    api_listen: Listen = _setting("127.0.0.1:8470", _listen, "Address of the REST API and console.")
    gateway_listen: Listen = _setting("127.0.0.1:8471", _listen, "Address that agents' sockets come to.")
    public_url: str | None = _setting(
        None, _url, "How agents and people reach the API, when not at its listen address."
    )
    gateway_url: str | None = _setting(None, _url, "How agents reach the gateway, when not at its listen address.")
    tls: TlsMode = _setting(
        "auto", _one_of("auto", "on", "off"), "TLS on both listeners; auto = on as soon as one is not on loopback."
    )
    tls_certificate: Path | None = _setting(
        None, _absolute, "PEM certificate; without it one is made in the data directory."
    )
    tls_key: Path | None = _setting(None, _absolute, "PEM private key of the certificate.")
    key_ring: Path | None = _setting(
        None, _absolute, "File with the keys that seal secrets; default DATA_DIR/keys/ring.json."
    )
    key_ring_json: str | None = _setting(
        None, str, "The key ring itself, as the file would have it, instead of a file.", is_secret=True
    )
    key_ring_command: str | None = _setting(
        None, _command, "A command that prints the key ring, instead of a file: /usr/bin/get-secret watchbill/ring."
    )
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "Least level that is logged.")
    log_format: Literal["console", "json"] = _setting("console", _one_of("console", "json"), "How log lines look.")
    db_pool_size: int = _setting("8", _number(2, 100), "Database connections of one process.")
    launcher: Literal["local", "none"] = _setting(
        "local", _one_of("local", "none"), "Who starts site workers: the scheduler on its own host, or somebody else."
    )
    site_workers: int = _setting("4", _number(1, 256), "Most site workers that one scheduler's launcher runs at once.")
    site_worker_idle_seconds: int = _setting(
        "300", _number(5, 86_400), "A site worker with no work ends after this long."
    )
    playbooks_at_once: int = _setting(
        "8",
        _number(1, 500),
        "Most runs of Ansible that one site worker has at once; fewer where its host has less than 256 MiB for each.",
    )
    onboarding_addresses: int = _setting(
        "4096", _number(1, 65_536), "Most addresses that the scope of one onboarding job may have."
    )
    onboarding_probes_per_second: int = _setting(
        "2000", _number(1, 100_000), "Connections that one site worker begins in a second while it looks for machines."
    )
    onboarding_installs_at_once: int = _setting(
        "50", _number(1, 500), "Most machines that one site worker brings under management at once, of all its jobs."
    )
    heartbeat_seconds: int = _setting("20", _number(5, 300), "How often an agent tells the gateway that it is there.")
    agent_token_seconds: int = _setting("3600", _number(60, 86_400), "How long an agent's token is good for.")
    session_hours: int = _setting("12", _number(1, 720), "How long a signed-in session lasts.")
    output_head_bytes: int = _setting(
        "4194304", _number(1024, 1 << 30), "Bytes kept from the beginning of each output stream of an execution."
    )
    output_tail_bytes: int = _setting(
        "262144", _number(1024, 1 << 26), "Bytes kept from its end, beyond the beginning."
    )
    file_limit_bytes: int = _setting(
        "268435456", _number(1024, 1 << 29), "Bytes that a file attached to an assembly may have."
    )
    galaxy_source: str | None = _setting(
        None,
        _galaxy,
        "Where collections of playbooks are installed from: a folder of their archives, or the URL of a server.",
    )
    galaxy_token: str | None = _setting(None, _token, "The token of that server, when it wants one.", is_secret=True)
    winrm_trust: Path | None = _setting(
        None,
        _absolute,
        "Certificates (PEM, a file or a folder) of who signs those of Windows devices; none: whom this machine trusts.",
    )
    event_log_minutes: int = _setting("60", _number(5, 1440), "How far back a live view can resume.")
    retention_days: int = _setting(
        "90", _number(8, 3650), "Days that runs are kept, results and output with them; they go by whole weeks."
    )
    smtp_host: str | None = _setting(None, _host, "The mail server that notifications by e-mail go through.")
    smtp_port: int = _setting("587", _number(1, 65_535), "Its port.")
    smtp_tls: Literal["starttls", "tls", "off"] = _setting(
        "starttls",
        _one_of("starttls", "tls", "off"),
        "How it is spoken to; its certificate must be one that this host trusts.",
    )
    smtp_user: str | None = _setting(None, str, "The account to sign in with there, when it wants one.")
    smtp_password: str | None = _setting(None, str, "The password of that account.", is_secret=True)
    smtp_from: str | None = _setting(None, _address, "The sender of all e-mail, such as watchbill@example.org.")
    webhook_private: Literal["on", "off"] = _setting(
        "off",
        _one_of("on", "off"),
        "Whether webhooks and requests of workflows may go to addresses that are not public: this host, its networks.",
    )
    outbound_heartbeat_url: str | None = _setting(
        None,
        _http_url,
        "Asked for regularly while schedulers do their work: who misses it knows that they do not.",
        is_secret=True,
    )
    outbound_heartbeat_minutes: int = _setting("5", _number(1, 1440), "How often that URL is asked for.")
    vpn: Literal["on", "off"] = _setting(
        "off",
        _one_of("on", "off"),
        "Whether `watchbill up` runs the WireGuard hub, which wants root or CAP_NET_ADMIN. Without it nothing goes by SSH or WinRM.",
    )
    vpn_endpoint: Listen | None = _setting(None, _listen, "Where devices reach the hub, by UDP; the hub needs it.")
    vpn_listen_port: int = _setting("51820", _number(1, 65_535), "The UDP port that the hub listens on.")
    vpn_subnet: IPv4Network = _setting(
        "100.96.0.0/12",
        _subnet,
        "Addresses for the hub and the devices, one each. The default is of the shared address space (RFC 6598), which no office"
        " network uses, and has room for a million.",
    )
    vpn_interface: str = _setting("wbhub", _interface, "Name of the hub's network interface.")
    vpn_keepalive_seconds: int = _setting(
        "25", _number(1, 120), "How often a device with an open tunnel shows that it is there; keeps NAT open."
    )
    clock_offset_seconds: int = _setting(
        "0", _number(-(10**10), 10**10), "Shifts the Engine's clock, for rehearsals. Never in production."
    )

    @property
    def key_ring_path(self) -> Path:
        return self.key_ring or self.data_dir / "keys" / "ring.json"

    @property
    def output_limit_bytes(self) -> int:
        """The most that is stored of one execution, whatever a device sends: both streams, head and tail."""
        return 2 * (self.output_head_bytes + self.output_tail_bytes)

    @property
    def is_tls(self) -> bool:
        if self.tls == "auto":
            return not (self.api_listen.is_loopback and self.gateway_listen.is_loopback)
        return self.tls == "on"


def load(environ: Mapping[str, str]) -> Settings:
    """Read every setting from `environ`; SettingsError lists all bad ones, unknown WATCHBILL_ names among them."""
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for one in fields(Settings):
        values[one.name] = _read(one.name, one.metadata, environ, problems)
    problems += _unknown(environ)
    if not problems:
        problems += _together(Settings(**values))
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _read(name: str, meta: Mapping[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> Any:
    variable = PREFIX + name.upper()
    default = _default_data_dir(environ) if name == "data_dir" else meta["default"]
    text = environ.get(variable) or default
    if text is None:
        return None
    try:
        return meta["parse"](text)
    except ValueError as error:
        shown = "the value" if meta["is_secret"] else repr(text)
        problems.append(Problem(variable, "invalid", f"{shown} {error}"))
        return None


#: Variables of the command line client and the tests, which are not settings of the Engine.
_FOREIGN = {"WATCHBILL_SERVER", "WATCHBILL_TOKEN", "WATCHBILL_TEST_DATABASE_URL", "WATCHBILL_ADMIN_PASSWORD"}


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    known = {PREFIX + one.name.upper() for one in fields(Settings)} | _FOREIGN
    strange = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [Problem(name, "unknown", "is not a setting; see `watchbill config`") for name in strange]


def _together(settings: Settings) -> list[Problem]:
    problems = []
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        problems.append(Problem("WATCHBILL_TLS_KEY", "invalid", "certificate and key are given together or not at all"))
    if settings.galaxy_token is not None and not (settings.galaxy_source or "").startswith("http"):
        problems.append(
            Problem("WATCHBILL_GALAXY_TOKEN", "invalid", "is for a server: WATCHBILL_GALAXY_SOURCE is no URL")
        )
    rings = (settings.key_ring, settings.key_ring_json, settings.key_ring_command)
    if sum(one is not None for one in rings) > 1:
        problems.append(
            Problem(
                "WATCHBILL_KEY_RING", "invalid", "the key ring is a file, a variable or a command: give one of them"
            )
        )
    if (settings.smtp_user is None) != (settings.smtp_password is None):
        problems.append(
            Problem("WATCHBILL_SMTP_PASSWORD", "invalid", "user and password are given together or not at all")
        )
    if settings.smtp_password is not None and settings.smtp_tls == "off":
        problems.append(
            Problem("WATCHBILL_SMTP_TLS", "invalid", "off would send the password readable to everybody on the way")
        )
    if (settings.smtp_host is None) != (settings.smtp_from is None):
        problems.append(Problem("WATCHBILL_SMTP_FROM", "invalid", "server and sender are given together or not at all"))
    if settings.vpn == "on" and settings.vpn_endpoint is None:
        problems.append(
            Problem("WATCHBILL_VPN_ENDPOINT", "required", "with the VPN on, devices must be told where it is")
        )
    if settings.tls == "off" and not (settings.api_listen.is_loopback and settings.gateway_listen.is_loopback):
        problems.append(Problem("WATCHBILL_TLS", "invalid", "off is allowed only when both listeners are on loopback"))
    return problems


@dataclass(frozen=True, slots=True)
class Description:
    """One setting as `watchbill config` shows it."""

    variable: str
    default: str
    value: str
    doc: str


def describe(settings: Settings, environ: Mapping[str, str]) -> list[Description]:
    described = []
    for one in fields(Settings):
        value = getattr(settings, one.name)
        shown = "***" if one.metadata["is_secret"] and value else ("" if value is None else str(value))
        default = _default_data_dir(environ) if one.name == "data_dir" else one.metadata["default"] or ""
        described.append(Description(PREFIX + one.name.upper(), default, shown, one.metadata["doc"]))
    return described
