"""The verbs of channels. They are made by those who look after every site, and used by the rules of operators of theirs.

The address of a webhook, its secret and its headers, and the password of a mail server, are sealed and shown to nobody again: many receivers know their senders by them.
"""

import base64
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.core.notification_channel_rules import KEY_PREFIX, destination_of
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.db import notify
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.kit.secrets import KeyRing, Secret
from watchbill.notifications import channel_store as store
from watchbill.notifications.values import Channel, ChannelDraft, Endpoint, MailServer

#: Where the schedulers that look and send listen; the trigger of the migration knows it by the same name.
CHANNEL: Final = "watchbill_notifications"
MAX_CHANNELS: Final = 500
_CONTEXT: Final = "notification_channels.sealed"
_PLAIN = ("name", "description", "timezone", "enabled")
_ABSENT: Final = Problem("", "not_found", "there is no such channel in use")
_OFF: Final = Problem("", "channel_off", "this channel is off: switch it on, or name another")


@dataclass(frozen=True, slots=True)
class Made:
    """A new channel. `secret`: the one that was made for it, told this once."""

    channel: Channel
    secret: Secret | None = None


async def get_channel(tx: AsyncConnection, actor: Actor, channel_id: int) -> Channel:
    actor.require(Permission.READ)
    return _there(await store.find(tx, actor.scope, channel_id))


async def list_channels(
    tx: AsyncConnection, actor: Actor, q: str | None, *, is_archived: bool, limit: int, cursor: str | None
) -> Page[Channel]:
    actor.require(Permission.READ)
    return await store.list_page(tx, actor.scope, q, is_archived=is_archived, limit=limit, cursor=cursor)


async def lock_channel(tx: AsyncConnection, actor: Actor, channel_id: int) -> Channel:
    """The channel, held until the transaction ends, for a caller who may change it."""
    channel = _there(await store.find(tx, actor.scope, channel_id, for_update=True))
    _require(actor)
    if channel.archived_at is not None:
        raise ConflictError("This channel is archived.", code="channel_archived")
    return channel


async def create_channel(
    tx: AsyncConnection, actor: Actor, draft: ChannelDraft, *, keys: KeyRing, now: datetime
) -> Made:
    _require(actor)
    await _check(tx, actor, draft, None)
    if await store.count(tx) >= MAX_CHANNELS:
        raise ConflictError(f"There are {MAX_CHANNELS} channels, which is the most.", code="too_many_channels")
    made = None
    if draft.kind == "webhook" and draft.secret is None:
        made = Secret(KEY_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())
    first = {"kind": draft.kind, "revision": 1, "created_by": actor.operator_id, "created_at": now}
    values = {**_columns(actor, draft, now), **_sealed(draft, made or draft.secret, None, keys), **first}
    channel_id = await store.insert_channel(tx, values)
    await _record(tx, actor, "create", channel_id, draft, now)
    return Made(await get_channel(tx, actor, channel_id), made)


async def update_channel(
    tx: AsyncConnection, actor: Actor, before: Channel, draft: ChannelDraft, *, keys: KeyRing, now: datetime
) -> Channel:
    """Save a locked channel anew; secrets that are not given stay."""
    await _check(tx, actor, draft, before)
    values = _columns(actor, draft, now)
    values |= _sealed(draft, draft.secret, open_endpoint(before, keys), keys)
    await store.update_channel(tx, before.id, {**values, "revision": before.revision + 1})
    await _record(tx, actor, "update", before.id, draft, now)
    await notify(tx, CHANNEL)
    return await get_channel(tx, actor, before.id)


async def archive_channel(tx: AsyncConnection, actor: Actor, before: Channel, *, now: datetime) -> Channel:
    """Take a locked channel out of use: what waits for it is not sent any more."""
    ended = await store.end_waiting(tx, before.id, "The channel was archived.", now)
    gone = {"archived_at": now, "updated_at": now, "updated_by": actor.operator_id, "revision": before.revision + 1}
    await store.update_channel(tx, before.id, gone)
    detail = {"name": before.name, "messages_not_sent": ended, "rules": await store.count_rules(tx, before.id)}
    await audit.record(
        tx, actor, "notification_channel.archive", "notification_channel", before.id, now=now, detail=detail
    )
    return await get_channel(tx, actor, before.id)


async def lock_for_test(tx: AsyncConnection, actor: Actor, channel_id: int) -> Channel:
    """The channel for somebody who may try it out."""
    channel = _there(await store.find(tx, actor.scope, channel_id))
    _require(actor)
    if channel.archived_at is not None:
        raise ConflictError("This channel is archived.", code="channel_archived")
    return channel


async def unusable_channels(tx: AsyncConnection, actor: Actor, channel_ids: Collection[int]) -> dict[int, Problem]:
    """What keeps whoever saves something from naming these channels in it: that there is none in use that they see, or that it is off.

    The problems have no field: the caller puts them under its own. A channel without a problem stays until the transaction ends.
    """
    is_on = await store.usable(tx, actor.scope, [one for one in channel_ids if 0 < one < 2**63])
    return {one: _ABSENT if one not in is_on else _OFF for one in channel_ids if not is_on.get(one, False)}


def open_endpoint(channel: Channel, keys: KeyRing) -> Endpoint:
    """Where the channel leads, for sending only."""
    opened = json.loads(keys.open(channel.sealed, _CONTEXT)) if channel.sealed else {}
    if channel.kind == "email":
        password = Secret(opened["password"]) if opened else None
        own = MailServer(**channel.smtp, password=password) if channel.smtp else None
        return Endpoint(channel.kind, channel.addresses, smtp=own)
    return Endpoint(channel.kind, (), opened["url"], opened["secret"], opened["headers"])


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns in how many channels."""
    before = await store.sealed(tx)
    after = {id_: keys.renewed(envelope, _CONTEXT) for id_, envelope in before.items()}
    fresh = {id_: envelope for id_, envelope in after.items() if envelope != before[id_]}
    await store.replace_sealed(tx, fresh)
    return len(fresh)


def _there(channel: Channel | None) -> Channel:
    if channel is None:
        raise NotFoundError("There is no such channel.", code="channel_not_found")
    return channel


def _require(actor: Actor) -> None:
    actor.require(Permission.CHANNELS_WRITE)
    if actor.scope.site_ids is not None:
        raise ForbiddenError("Channels are looked after by those who see every site.")


async def _check(tx: AsyncConnection, actor: Actor, draft: ChannelDraft, before: Channel | None) -> None:
    await store.hold_saving(tx)
    problems = _kind_problems(draft, before)
    if await store.is_named(tx, draft.name, other_than=before.id if before else None):
        problems.append(Problem("name", "name_taken", "another channel has this name (case does not count)"))
    wanted = set(draft.site_ids or ())
    for missing in sorted(wanted - set(await sites.existing(tx, wanted, actor.scope)) if wanted else ()):
        problems.append(Problem("site_ids", "not_found", f"there is no site {missing}"))
    if problems:
        raise InvalidError.of(problems, what="The channel")


def _kind_problems(draft: ChannelDraft, before: Channel | None) -> list[Problem]:
    """What belongs to the other kind, and what this kind needs."""
    problems = []
    if before is not None and draft.kind != before.kind:
        problems.append(Problem("kind", "cannot_change", f"stays {before.kind}; make another channel"))
    if draft.kind == "webhook" and draft.url is None and before is None:
        problems.append(Problem("url", "required", "is required: where the webhook is sent to"))
    if draft.kind == "email" and not draft.to:
        problems.append(Problem("to", "required", "is required: at least one address"))
    if _moves_headers(draft, before):
        message = "must be given anew for another host: those that are kept were for the old one"
        problems.append(Problem("headers", "required", message))
    problems += _smtp_problems(draft.smtp, before)
    foreign: dict[str, object] = {"url": draft.url, "secret": draft.secret, "headers": draft.headers}
    if draft.kind == "webhook":
        foreign = {"to": draft.to, "smtp": draft.smtp}
    for name, value in foreign.items():
        if value:
            problems.append(Problem(name, "not_allowed", f"does not belong to a channel of kind {draft.kind}"))
    return problems


def _smtp_problems(smtp: MailServer | None, before: Channel | None) -> list[Problem]:
    """A password belongs to one account of one server, and is not told to everybody on the way there."""
    if smtp is None:
        return []
    if smtp.user is None:
        what = "belongs to a `user`: give both or neither"
        return [] if smtp.password is None else [Problem("smtp.password", "not_allowed", what)]
    problems = []
    if smtp.tls == "off":
        problems.append(
            Problem("smtp.tls", "not_allowed", "off would send the password readable to everybody on the way")
        )
    if smtp.password is None and not _keeps_password(smtp, before):
        what = "is required with a `user`; the one that is kept was for another server or account, if there is one"
        problems.append(Problem("smtp.password", "required", what))
    return problems


def _keeps_password(smtp: MailServer, before: Channel | None) -> bool:
    kept = before.smtp if before is not None and before.sealed is not None else None
    return kept is not None and (kept["host"], kept["user"]) == (smtp.host, smtp.user)


def _moves_headers(draft: ChannelDraft, before: Channel | None) -> bool:
    """Whether headers that are kept, passwords among them, would go to another host than the one they were given for."""
    if before is None or draft.url is None or draft.headers is not None or not before.header_names:
        return False
    return destination_of(draft.url.reveal()) != before.destination


def _columns(actor: Actor, draft: ChannelDraft, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(draft, name) for name in _PLAIN}
    if draft.kind == "email":
        values |= {"destination": ", ".join(draft.to), "header_names": []}
    return values | {
        "addresses": list(draft.to),
        "smtp": _shown_smtp(draft.smtp) if draft.smtp else None,
        "site_ids": None if draft.site_ids is None else sorted(set(draft.site_ids)),
        "digest": draft.digest,
        "quiet": draft.quiet,
        "updated_by": actor.operator_id,
        "updated_at": now,
    }


def _shown_smtp(smtp: MailServer) -> dict[str, Any]:
    return {name: getattr(smtp, name) for name in ("host", "port", "tls", "sender", "user")}


def _sealed(draft: ChannelDraft, secret: Secret | None, before: Endpoint | None, keys: KeyRing) -> Mapping[str, Any]:
    """The sealed part, and what may be shown of it."""
    if draft.kind == "email":
        return {"sealed": _sealed_password(draft.smtp, before, keys)}
    before = before or Endpoint("webhook")
    url = draft.url.reveal() if draft.url else before.url
    headers = (
        before.headers if draft.headers is None else {name: value.reveal() for name, value in draft.headers.items()}
    )
    whole = {"url": url, "secret": secret.reveal() if secret else before.secret, "headers": dict(headers)}
    sealed = keys.seal(json.dumps(whole).encode(), _CONTEXT)
    return {"sealed": sealed, "destination": destination_of(url), "header_names": sorted(headers)}


def _sealed_password(smtp: MailServer | None, before: Endpoint | None, keys: KeyRing) -> str | None:
    if smtp is None or smtp.user is None:
        return None
    kept = before.smtp.password if before and before.smtp else None
    password = smtp.password or kept
    return keys.seal(json.dumps({"password": password.reveal()}).encode(), _CONTEXT) if password else None


async def _record(
    tx: AsyncConnection, actor: Actor, verb: str, channel_id: int, draft: ChannelDraft, now: datetime
) -> None:
    given = [name for name in ("url", "secret", "headers", "smtp") if getattr(draft, name) is not None]
    detail = {"name": draft.name, "kind": draft.kind, "enabled": draft.enabled, "to": list(draft.to), "given": given}
    await audit.record(
        tx, actor, f"notification_channel.{verb}", "notification_channel", channel_id, now=now, detail=detail
    )
