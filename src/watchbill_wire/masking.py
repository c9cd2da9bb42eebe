"""In which forms a secret may show up in a script's output: as it is, and as scripts and tools commonly write it.

Only the forms are made here. Whoever runs something takes them out of what it writes before anything of it is stored: on a device
the supervisor of its agent, in the Engine the worker that runs a playbook.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

#: A shorter secret is not masked: it would be found everywhere, and its mask would tell as much as it hides.
SHORTEST = 4
#: Where `base64`, and where `openssl` and PEM, begin a new line.
_WIDTHS = (76, 64)


def patterns(secrets: Iterable[str]) -> list[bytes]:
    """Every form of every secret, each once, the longest first."""
    found = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
    return sorted(found, key=lambda form: (-len(form), form))


def _forms(secret: str) -> Iterator[bytes]:
    if len(secret) < SHORTEST:
        return
    yield from _written(secret)
    yield from _encoded(secret.encode())
    yield from _encoded(secret.encode() + b"\n")
    for line in secret.splitlines():
        if len(line.strip()) >= SHORTEST:
            yield from _written(line.strip())
            yield line.encode()


def _written(text: str) -> Iterator[bytes]:
    """As texts write it: plain, escaped for JSON, quoted for a shell, in an address."""
    for form in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.replace("'", "'\\''")):
        yield form.encode()
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield quoted.encode()
        yield _small_escapes(quoted).encode()


def _small_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _encoded(raw: bytes) -> Iterator[bytes]:
    """In base64: alone, in lines, and anywhere within something longer, where what stands before it shifts it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw)
        yield whole
        yield whole.rstrip(b"=")
        for width in _WIDTHS:
            if len(whole) > width:
                yield from (whole[at : at + width] for at in range(0, len(whole), width))
        for shift in (0, 1, 2):
            yield _inner(encode(bytes(shift) + raw), shift, len(raw))


def _inner(encoded: bytes, shift: int, length: int) -> bytes:
    """The characters that depend on nothing but the secret."""
    first = (8 * shift + 5) // 6
    last = 8 * (shift + length) // 6
    return encoded[first:last]
