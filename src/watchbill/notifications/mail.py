"""E-mail through the channel's own SMTP server or the Engine's, with TLS that is verified unless it is switched off for a relay on this host or network."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import UUID

import aiosmtplib

from watchbill.kit.secrets import Secret
from watchbill.kit.settings import Settings
from watchbill.notifications.values import Endpoint, MailServer, Sent

#: A whole attempt; many recipients and a slow greeting included.
TIMEOUT: Final = 30.0
_STEP: Final = 15.0


def compose(sender: str, to: Sequence[str], subject: str, text: str, message_id: UUID, now: datetime) -> EmailMessage:
    """The message. The policy refuses a header that would begin another line, wherever it came from."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    # The same at every attempt: whoever gets it twice can tell.
    message["Message-ID"] = f"<{message_id.hex}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


async def send(
    settings: Settings, endpoint: Endpoint, message_id: UUID, subject: str, text: str, now: datetime
) -> Sent:
    """One attempt for all addresses together."""
    server = endpoint.smtp or _own(settings)
    if server is None:
        missing = "No mail server is set: the channel's `smtp`, or WATCHBILL_SMTP_HOST and WATCHBILL_SMTP_FROM, say which, and as whom."
        return Sent(is_ok=False, sentence=missing)
    message = compose(server.sender, endpoint.addresses, subject, text, message_id, now)
    try:
        async with asyncio.timeout(TIMEOUT):
            refused = await _deliver(server, message, endpoint.addresses)
    except (aiosmtplib.SMTPException, OSError) as error:
        return _failure(server, error)
    if refused:
        return Sent(is_ok=False, sentence=f"The mail server refused {', '.join(sorted(refused))}; the others have it.", is_final=True)  # fmt: skip
    return Sent(is_ok=True, sentence=f"The mail server accepted it for {', '.join(endpoint.addresses)}.")


def _own(settings: Settings) -> MailServer | None:
    """The Engine's mail server, for channels without one of their own."""
    if settings.smtp_host is None or settings.smtp_from is None:
        return None
    password = Secret(settings.smtp_password) if settings.smtp_password else None
    where = settings.smtp_host, settings.smtp_port, settings.smtp_tls
    return MailServer(*where, settings.smtp_from, settings.smtp_user, password)


async def _deliver(server: MailServer, message: EmailMessage, to: Sequence[str]) -> Sequence[str]:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=_STEP,
        use_tls=server.tls == "tls",
        start_tls=server.tls == "starttls",
        tls_context=ssl.create_default_context(),
    )
    async with client:
        if server.user is not None:
            await client.login(server.user, server.password.reveal() if server.password else "")
        refused, _ = await client.send_message(message, sender=server.sender, recipients=list(to))
    return list(refused)


def _failure(used: MailServer, error: Exception) -> Sent:
    server = f"{used.host}:{used.port}"
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            refused = ", ".join(one.recipient for one in error.recipients)
            return Sent(is_ok=False, sentence=f"The mail server refused {refused}.", holds_line=False)
        case aiosmtplib.SMTPResponseException():
            # What it says about a password may repeat it; the code is enough there.
            said = "" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else f" {_line(error.message)}"
            return Sent(is_ok=False, sentence=f"The mail server {server} answered {error.code}{said}.")
        case TimeoutError() | aiosmtplib.SMTPTimeoutError():
            return Sent(is_ok=False, sentence=f"The mail server {server} did not answer in time.")
        case _:
            return Sent(is_ok=False, sentence=f"The mail server {server} cannot be used: {_line(str(error))}.")


def _line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text[:200]).split()).rstrip(".")
