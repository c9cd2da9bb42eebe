"""What listens at an open port: SSH, WinRM or SMB, by what it says before anybody signs in. No credential is ever sent.

Each look is given an open connection and ends in a banner (which begins with `SSH-`, `WinRM` or `SMB`) or in why it is no such service. What
comes is bounded in bytes here and in time by the caller, so a tarpit costs what a slow machine does.
"""

import asyncio
import re
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

MOST_BANNER: Final = 200
_MOST_BYTES: Final = 16_384
#: How the banner of WinRM begins, plain and by TLS.
WINRM: Final = "WinRM"
WINRM_BY_TLS: Final = "WinRM (TLS)"

#: An identification (RFC 4253) may be preceded by other lines.
_SSH_LINE: Final = re.compile(rb"(?:^|\n)(SSH-[^\r\n]*)\r?\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found. `detail` is why it is not the service; then the banner is what the machine said instead."""

    banner: str = ""
    detail: str = ""


Look = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Answer]]


def plain(said: bytes) -> str:
    """What a machine said as one line that may be stored and shown."""
    text = said[: 4 * MOST_BANNER].decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:MOST_BANNER]


async def _read_until(reader: asyncio.StreamReader, said: bytearray, is_enough: Callable[[bytearray], bool]) -> None:
    """Read on into `said` until it is enough, too much, or the end."""
    while not is_enough(said) and len(said) < _MOST_BYTES:
        more = await reader.read(_MOST_BYTES - len(said))
        if not more:
            return
        said += more


# --- SSH ---------------------------------------------------------------------------------------------------------------


async def look_for_ssh(reader: asyncio.StreamReader, said: bytearray) -> Answer:
    """Wait for the identification; the client's is not sent, and the connection ends before a key exchange."""
    await _read_until(reader, said, lambda text: _SSH_LINE.search(text) is not None)
    return ssh_answer(said)


def ssh_answer(said: bytes | bytearray) -> Answer:
    found = _SSH_LINE.search(said)
    if found is None:
        return Answer(plain(bytes(said)), _not_ssh(bytes(said)))
    banner = plain(found[1])
    if not banner.startswith(("SSH-2.0-", "SSH-1.99-")):
        return Answer(banner, "speaks an SSH that is too old")
    return Answer(banner)


def _not_ssh(said: bytes) -> str:
    return "is not SSH: it says something else" if said else "is not SSH: it closes the connection without a word"


def slow_ssh(said: bytes, seconds: float) -> Answer:
    """What to say of a port that took too long."""
    if said:
        return Answer(
            plain(said), f"is no usable SSH: it had sent {len(said):,} bytes and no banner after {seconds:g} s"
        )
    return Answer("", f"is not SSH, or very slow: it said nothing within {seconds:g} s")


# --- WinRM -------------------------------------------------------------------------------------------------------------

_IDENTIFY: Final = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    b"<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*([0-9]{1,6})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_SERVER: Final = re.compile(rb"^server:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_OFFER: Final = re.compile(
    rb"^www-authenticate:[ \t]*(Negotiate|Kerberos|CredSSP|NTLM|Basic realm=\"WSMAN\")", re.IGNORECASE | re.MULTILINE
)
_VERSION: Final = re.compile(rb"<(?:\w+:)?ProductVersion>([^<]{1,100})<")


def identify_request(host: str) -> bytes:
    """Ask what it is, without an account."""
    head = (
        f"POST /wsman HTTP/1.1\r\nHost: {host}\r\nUser-Agent: watchbill\r\nWSMANIDENTIFY: unauthenticated\r\n"
        f"Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {len(_IDENTIFY)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + _IDENTIFY


async def look_for_winrm(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, name: str = WINRM
) -> Answer:
    """Ask for its identity: a reply, or that an account is wanted in the way that WinRM wants it."""
    writer.write(identify_request(host))
    said = bytearray()
    await _read_until(reader, said, _is_whole)
    return winrm_answer(bytes(said), name)


def _is_whole(said: bytearray) -> bool:
    head, end, body = bytes(said).partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return bool(end) and length is not None and len(body) >= int(length[1])


def winrm_answer(said: bytes, name: str = WINRM) -> Answer:
    status = _STATUS.match(said)
    if status is None:
        return Answer(plain(said), "is not WinRM: it does not speak HTTP" if said else "is not WinRM: it says nothing")
    head, _, body = said.partition(b"\r\n\r\n")
    server = plain(found[1]) if (found := _SERVER.search(head)) else ""
    if status[1] == b"200" and b"IdentifyResponse" in body:
        version = plain(found[1]) if (found := _VERSION.search(body)) else ""
        return Answer(" ".join(f"{name} {version or server}".split()))
    if status[1] == b"401" and (_OFFER.search(head) or "HTTPAPI" in server):
        return Answer(f"{name} {server}".strip())
    return Answer(f"HTTP {int(status[1])} {server}".strip(), "is not WinRM: another web server answers")


@cache
def tls_to_look() -> ssl.SSLContext:
    """For looking alone: whose certificate it is matters when an account is sent, which is checked then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


# --- SMB ---------------------------------------------------------------------------------------------------------------

_DIALECTS: Final = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2"}
_SMB_HEAD: Final = 64


def negotiate_request(dialects: Sequence[int] = tuple(_DIALECTS)) -> bytes:
    """SMB2 NEGOTIATE, the first thing that a client says (MS-SMB2 2.2.3): which dialects it knows."""
    head = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 0, 0, 0, 1, 0, 0, 0, 0xFEFF, 0, 0, bytes(16))
    body = struct.pack("<HHHHI16sQ", 36, len(dialects), 1, 0, 0, b"watchbill-looks\0", 0)
    body += struct.pack(f"<{len(dialects)}H", *dialects)
    return struct.pack(">I", len(head) + len(body)) + head + body


async def look_for_smb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    """Negotiate a dialect, and leave before a session."""
    writer.write(negotiate_request())
    said = bytearray()
    await _read_until(reader, said, lambda text: len(text) >= 4 + _SMB_HEAD + 6)
    return smb_answer(bytes(said))


def smb_answer(said: bytes) -> Answer:
    message = said[4:]
    if message.startswith(b"\xffSMB"):
        return Answer("SMB 1", "speaks SMB 1 alone, which is too old")
    if not message.startswith(b"\xfeSMB") or len(message) < _SMB_HEAD + 6:
        return Answer(plain(said), "is not SMB: it says something else" if said else "is not SMB: it says nothing")
    status = struct.unpack_from("<I", message, 8)[0]
    security, dialect = struct.unpack_from("<HH", message, _SMB_HEAD + 2)
    if status:
        return Answer("SMB", f"speaks SMB, and refused to negotiate (status 0x{status:08x})")
    signing = ", signing required" if security & 2 else ""
    return Answer(f"SMB {_DIALECTS.get(dialect, f'0x{dialect:04x}')}{signing}")
