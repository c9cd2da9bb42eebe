"""What a webhook's sender says to prove itself: a time and signatures over it and the body, or a token. Reads headers; knows no secret."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

Mode = Literal["hmac", "bearer"]

TIMESTAMP_HEADER: Final = "X-Watchbill-Timestamp"
SIGNATURE_HEADER: Final = "X-Watchbill-Signature"
#: The names of one delivery in the headers of senders, the first that is given counts.
KEY_HEADERS: Final = ("Idempotency-Key", "X-GitHub-Delivery", "webhook-id")
#: How far a sender's clock may be off, and how late a delivery may come.
TOLERANCE: Final = timedelta(minutes=5)
#: One sender may sign with two secrets while one of them is being replaced.
MAX_SIGNATURES: Final = 5
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE: Final = re.compile(r"v1=([0-9a-f]{64})")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_BEARER: Final = re.compile(r"[Bb]earer +([\x21-\x7e]{1,200}) *")


@dataclass(frozen=True, slots=True)
class Proof:
    """What the headers of a delivery hold, as far as it can be read. `timestamp`: seconds of the Unix epoch, as they were written."""

    timestamp: str | None = None
    signatures: tuple[bytes, ...] = ()
    bearer: str | None = None

    def is_timely(self, now: datetime) -> bool:
        return self.timestamp is not None and abs(int(self.timestamp) - now.timestamp()) <= TOLERANCE.total_seconds()

    @property
    def accepted_until(self) -> datetime:
        """Until when these signatures would be taken again, were they not remembered."""
        return datetime.fromtimestamp(int(self.timestamp or "0"), UTC) + TOLERANCE


def read_proof(headers: Mapping[str, str]) -> Proof:
    """`headers` are looked up without regard to case, as those of a request are."""
    timestamp = headers.get(TIMESTAMP_HEADER, "").strip()
    bearer = _BEARER.fullmatch(headers.get("Authorization", ""))
    return Proof(
        timestamp if _TIMESTAMP.fullmatch(timestamp) else None,
        read_signatures(headers.get(SIGNATURE_HEADER, "")),
        bearer[1] if bearer else None,
    )


def read_signatures(header: str) -> tuple[bytes, ...]:
    """Those of version 1, each once; other words between the commas are other versions', and not looked at."""
    words = [word.strip() for word in header.split(",")][:MAX_SIGNATURES]
    found = [_SIGNATURE.fullmatch(word) for word in words]
    return tuple(dict.fromkeys(bytes.fromhex(one[1]) for one in found if one))


def signed_text(timestamp: str, body: bytes) -> bytes:
    """What a signature is over."""
    return timestamp.encode() + b"." + body


def delivery_key(headers: Mapping[str, str]) -> str | None:
    """The name that the sender gives this delivery: the same one again is the same delivery, sent once more."""
    given = next((headers[name] for name in KEY_HEADERS if headers.get(name)), None)
    if given is None:
        return None
    name = given.strip()
    # Whatever it is, a repetition of it is one.
    return name if _KEY.fullmatch(name) else hashlib.sha256(given.encode(errors="replace")).hexdigest()
