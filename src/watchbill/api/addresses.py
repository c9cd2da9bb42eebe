"""The URLs under which people and agents reach this Engine, as told to them in replies."""

import secrets
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.api.common import Deps
from watchbill.kit import instances

GATEWAY_PATH = "/agent/ws"
_ANY_HOST = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


def is_secure(deps: Deps) -> bool:
    """Whether browsers reach us by https, through our own TLS or a proxy's."""
    return deps.settings.is_tls or (deps.settings.public_url or "").startswith("https://")


def server_url(deps: Deps, request: Request) -> str:
    """The base URL of the API."""
    if deps.settings.public_url:
        return deps.settings.public_url
    scheme = "https" if deps.settings.is_tls else "http"
    listen = deps.settings.api_listen
    return f"{scheme}://{_host(listen.host, request)}:{listen.port}"


async def gateway_url(deps: Deps, request: Request, tx: AsyncConnection, now: datetime) -> str:
    """Where an agent opens its socket: as configured, else any live gateway.

    A wildcard listener is reached by the name the agent used for the API.
    """
    if deps.settings.gateway_url:
        parts = urlsplit(deps.settings.gateway_url)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        return urlunsplit(parts._replace(scheme=scheme, path=parts.path.rstrip("/") or GATEWAY_PATH))
    scheme = "wss" if deps.settings.is_tls else "ws"
    live = [one.address for one in await instances.live(tx, now, "gateway") if one.address]
    host, _, port = secrets.choice(live or [str(deps.settings.gateway_listen)]).rpartition(":")
    return f"{scheme}://{_host(host.strip('[]'), request)}:{port}{GATEWAY_PATH}"


def _host(listened: str, request: Request) -> str:
    host = (request.url.hostname or "localhost") if listened in _ANY_HOST else listened
    return f"[{host}]" if ":" in host else host
