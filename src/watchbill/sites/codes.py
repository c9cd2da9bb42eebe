"""Enrolment codes: how they are made, read, found and masked. Pure but for randomness."""

import secrets

from watchbill.kit.secrets import fingerprint

#: Digits and capitals without 0, 1, I and O, which people mistake for one another.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS, _GROUP_LENGTH = 4, 5
_SHOWN_OF_A_WRONG_CODE = 4


def new_code() -> str:
    """A random code of 100 bits, in groups: `7KQ2M-…`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))


def code_hash(code: str) -> bytes:
    """What a code is found by, however its letters and hyphens were typed."""
    return fingerprint("".join(letter for letter in code.upper() if letter.isalnum()))


def masked(code: str) -> str:
    """As much of a wrong code as may be kept: its beginning, so that a person sees which code was mistyped."""
    shown = "".join(letter for letter in code.upper() if letter.isascii() and letter.isalnum())
    return f"{shown[:_SHOWN_OF_A_WRONG_CODE]}…"
