"""Passwords: the policy, Argon2id hashing and checking. Knows no table.

Hashing takes a tenth of a second and 64 MiB, so it runs on two threads of its own: never on the event loop, and never more
than two at once, however many people (or attackers) sign in together.
"""

import asyncio
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from watchbill.core.problems import Problem

MIN_LENGTH = 12
MAX_LENGTH = 256
#: What must remain of a password without the username in it.
_OWN_LENGTH = 8

_HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
#: A hash of nobody's password, checked when the name is unknown so that the answer takes as long.
NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=1$4XWfQdPsfSRuxUatFr7CRA$h3A6hDmgdvFTIatCq/9PjFeffZgfs6B1+6IKwFH7/8M"


def problems(password: str, *, username: str = "", field: str = "password") -> list[Problem]:
    """What is wrong with a new password (of this operator, when that is known)."""
    found = []
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        found.append(Problem(field, "password_length", f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"))
    if len(set(password)) < 5:
        found.append(Problem(field, "password_monotonous", "must have at least 5 different characters"))
    name, typed = username.lower(), password.lower()
    if name and name in typed and len(typed.replace(name, "")) < _OWN_LENGTH:
        found.append(Problem(field, "password_has_username", "must not be made of the username"))
    return found


def generated() -> str:
    """A random password of some 120 bits that can be typed."""
    return "-".join(secrets.token_hex(3) for _ in range(5))


async def hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, _normal(password))


async def is_right(password: str, password_hash: str | None) -> bool:
    """Whether `password` has this hash. None = unknown operator: as slow, and always False."""
    loop = asyncio.get_running_loop()
    known = password_hash or NOBODYS_HASH
    matches = await loop.run_in_executor(_THREADS, _verify, known, _normal(password))
    return matches and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, ValueError):  # ValueError: not a hash at all
        return False


def _normal(password: str) -> str:
    # The same characters typed on two systems may arrive composed or decomposed.
    return unicodedata.normalize("NFC", password)
