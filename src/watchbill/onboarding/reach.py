"""Under which address a machine finds the Engine."""

import ipaddress
import socket
from typing import Final

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.kit.instances import Reach
from watchbill.onboarding.base import Address, OnboardingError

_ANY: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared with, not listened on


def server_for(reach: Reach | None, address: Address) -> str:
    """The URL of the API for a machine: the public one, or where it listens; where that is every address, this host's own on the way there.

    OnboardingError where there is none that a machine could use.
    """
    if reach is None:
        raise _nowhere("no API process of the Engine is running")
    if reach.public_url is not None:
        return reach.public_url
    host, _, port = reach.address.rpartition(":")
    host = host.strip("[]")
    if host in _ANY:
        host = _own_address_towards(address)
    if host.startswith("127.") or host in {"localhost", "::1"}:
        raise _nowhere(f"the API listens on {reach.address} alone: set WATCHBILL_API_LISTEN or WATCHBILL_PUBLIC_URL")
    scheme = "https" if reach.certificate_pin else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _nowhere(why: str) -> OnboardingError:
    detail = f"Machines could not reach the Engine: {why}."
    return OnboardingError(OnboardingState.FAILED, OnboardingReason.NO_EGRESS, detail)


def _own_address_towards(address: Address) -> str:
    """Nothing is sent: the system chooses the route, and with it the address."""
    family = socket.AF_INET6 if isinstance(address, ipaddress.IPv6Address) else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        try:
            way.connect((str(address), 9))
        except OSError as error:
            raise _nowhere(f"there is no way to {address}: {error.strerror}") from error
        return str(way.getsockname()[0])
