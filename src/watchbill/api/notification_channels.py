"""`/api/notification_channels`: where notifications are sent to. Shows nothing of what is sealed."""

from typing import Annotated, Literal

from fastapi import Header, Query, Response
from pydantic import Field, SecretStr, model_validator

from watchbill import notifications
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Description,
    Id,
    Instant,
    Model,
    Name,
    Now,
    PageOf,
    SearchQuery,
    TheDeps,
    Tx,
    check_if_match,
    etag,
    router,
    ruled,
)
from watchbill.core.notification_channel_rules import (
    address_problems,
    clock_problems,
    header_problems,
    host_problems,
    key_problems,
    sender_problems,
    url_problems,
    zone_problems,
)
from watchbill.kit.secrets import Secret
from watchbill.notifications import Channel, ChannelDraft, MailServer

resource = router(prefix="/api/notification_channels", tags=["notifications"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
Clock = Annotated[str, ruled(lambda text: clock_problems(text, "time")), Field(max_length=10, examples=["07:30"])]


class DigestBody(Model):
    """Exactly one of the two."""

    every_minutes: (
        Annotated[int, Field(ge=5, le=1440, description="gathered for so long, by the clock of UTC")] | None
    ) = None
    daily_at: Annotated[Clock, Field(description="gathered until this time of each day in `timezone`")] | None = None

    @model_validator(mode="after")
    def is_one(self) -> "DigestBody":
        if (self.every_minutes is None) == (self.daily_at is None):
            raise ValueError("give either every_minutes or daily_at")
        return self


class QuietBody(Model):
    """Nothing but what is urgent is sent from `from` to `to`, over midnight when `to` is earlier."""

    from_: Annotated[Clock, Field(alias="from", description="when the quiet hours begin")]
    to: Annotated[Clock, Field(description="when they end, and what waited is sent together")]

    @model_validator(mode="after")
    def is_some_time(self) -> "QuietBody":
        if self.from_ == self.to:
            raise ValueError("from and to must differ")
        return self


class _Smtp(Model):
    host: Annotated[str, ruled(host_problems), Field(max_length=253, examples=["mail.example.org"])]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "off"] = Field(
        default="starttls",
        description="the certificate must be one that the Engine's host trusts. off: only without a user",
    )
    sender: Annotated[str, ruled(sender_problems), Field(max_length=254, examples=["watchbill@example.org"])]
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="the account to sign in with, if the server wants one"
    )


class SmtpBody(_Smtp):
    password: Annotated[SecretStr, Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="of that account; shown to nobody again; left out, it stays for the same server and account",
    )

    def server(self) -> MailServer:
        password = Secret(self.password.get_secret_value()) if self.password else None
        return MailServer(self.host, self.port, self.tls, self.sender, self.user, password)


class SmtpReply(_Smtp):
    """The password is shown to nobody."""


class ChannelBody(Model):
    kind: Literal["webhook", "email"] = Field(description="stays as it was made")
    name: Name = Field(description="unique among the channels in use")
    description: Annotated[Description, Field(description="for people")] = ""
    site_ids: Annotated[list[Id], Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="operators of one of these sites may use it; null: only who sees every site may"
    )
    to: Annotated[list[str], Field(max_length=50), ruled(address_problems)] = Field(
        default_factory=list, description="of e-mail: who gets it"
    )
    url: Annotated[SecretStr, Field(max_length=2000), ruled(url_problems)] | None = Field(
        default=None, description="of a webhook: where it is sent to; shown to nobody again; left out, it stays"
    )
    secret: Annotated[SecretStr, Field(max_length=200), ruled(key_problems)] | None = Field(
        default=None, description="of a webhook: signs it, whsec_…; left out, it stays, or one is made"
    )
    headers: Annotated[dict[str, str], Field(max_length=20), ruled(header_problems)] | None = Field(
        default=None, description="of a webhook: sent with it; values are shown to nobody again; left out, they stay"
    )
    smtp: SmtpBody | None = Field(
        default=None,
        description="of e-mail: the mail server of this channel; null: the one that the Engine has by its settings",
    )
    timezone: Annotated[str, Field(max_length=100), ruled(zone_problems)] = Field(
        default="UTC", description="of the times of day below"
    )
    digest: DigestBody | None = Field(default=None, description="gather what is not urgent into one message")
    quiet: QuietBody | None = Field(default=None, description="hours without messages")
    enabled: bool = Field(default=True, description="false: nothing new is sent to it, and what waits goes on waiting")

    def draft(self) -> ChannelDraft:
        same = ("kind", "name", "description", "site_ids", "to", "timezone", "enabled")
        return ChannelDraft(
            **{name: getattr(self, name) for name in same},
            digest=self.digest.model_dump(exclude_none=True) if self.digest else None,
            quiet=self.quiet.model_dump(by_alias=True) if self.quiet else None,
            url=Secret(self.url.get_secret_value()) if self.url else None,
            secret=Secret(self.secret.get_secret_value()) if self.secret else None,
            smtp=self.smtp.server() if self.smtp else None,
            headers=None if self.headers is None else {name: Secret(value) for name, value in self.headers.items()},
        )


class ChannelReply(Model):
    """`destination`: of a webhook only its host, as many receivers know their senders by the rest."""

    id: int
    kind: Literal["webhook", "email"]
    name: str
    description: str
    site_ids: list[int] | None
    to: list[str]
    destination: str
    header_names: list[str]
    smtp: SmtpReply | None
    timezone: str
    digest: DigestBody | None
    quiet: QuietBody | None
    enabled: bool
    revision: int
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    last_success_at: Instant | None
    last_failure_at: Instant | None
    last_error: str | None = Field(description="of the last attempt that failed")


class MadeChannelReply(ChannelReply):
    secret: str | None = Field(description="the signing secret that was made for it; told only now")


class ChannelTestReply(Model):
    ok: bool
    sentence: str = Field(description="what happened, for people")
    at: Instant


class ChannelQuery(SearchQuery):
    archived: Annotated[bool, Field(description="those that were archived instead of those in use")] = False


def _shown(one: Channel) -> dict[str, object]:
    names = [name for name in ChannelReply.model_fields if name not in ("to", "digest", "quiet")]
    return {
        **{name: getattr(one, name) for name in names},
        "to": one.addresses,
        "digest": one.digest,
        "quiet": one.quiet,
    }


def _reply(one: Channel, response: Response) -> ChannelReply:
    response.headers["ETag"] = etag(one.revision)
    return ChannelReply.model_validate(_shown(one))


@resource.get("")
async def list_notification_channels(
    query: Annotated[ChannelQuery, Query()], tx: Tx, caller: Caller
) -> PageOf[ChannelReply]:
    """The channels that the caller may use, by name."""
    page = await notifications.list_channels(
        tx, caller, query.q, is_archived=query.archived, limit=query.limit, cursor=query.cursor
    )
    return PageOf[ChannelReply].of(page, lambda one: ChannelReply.model_validate(_shown(one)))


@resource.post("", status_code=201)
async def create_notification_channel(
    body: ChannelBody, tx: Tx, caller: Caller, now: Now, deps: TheDeps, response: Response
) -> MadeChannelReply:
    """Make a channel. A webhook without a `secret` gets one, which is told in this reply only."""
    made = await notifications.create_channel(tx, caller, body.draft(), keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/notification_channels/{made.channel.id}"
    response.headers["ETag"] = etag(made.channel.revision)
    told = made.secret.reveal() if made.secret else None
    return MadeChannelReply.model_validate({**_shown(made.channel), "secret": told})


@resource.get("/{channel_id}")
async def get_notification_channel(channel_id: Id, tx: Tx, caller: Caller, response: Response) -> ChannelReply:
    """One channel, and how its last attempts went."""
    return _reply(await notifications.get_channel(tx, caller, channel_id), response)


@resource.put("/{channel_id}")
async def update_notification_channel(
    channel_id: Id,
    body: ChannelBody,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    response: Response,
    if_match: IfMatch = None,
) -> ChannelReply:
    """Save a channel anew. `url`, `secret` and `headers` stay when they are left out."""
    before = await notifications.lock_channel(tx, caller, channel_id)
    check_if_match(if_match, before.revision)
    saved = await notifications.update_channel(tx, caller, before, body.draft(), keys=deps.keys, now=now)
    return _reply(saved, response)


@resource.post("/{channel_id}/archive")
async def archive_notification_channel(
    channel_id: Id, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> ChannelReply:
    """Take a channel out of use for good: what waits for it is not sent any more."""
    before = await notifications.lock_channel(tx, caller, channel_id)
    check_if_match(if_match, before.revision)
    return _reply(await notifications.archive_channel(tx, caller, before, now=now), response)


@resource.post("/{channel_id}/test")
async def test_notification_channel(
    channel_id: Id, tx: Tx, caller: Caller, now: Now, deps: TheDeps
) -> ChannelTestReply:
    """Send a test at once, quiet hours or not, and say what happened."""
    channel = await notifications.lock_for_test(tx, caller, channel_id)
    sent = await notifications.try_out(tx, channel, deps.settings, keys=deps.keys, now=now)
    return ChannelTestReply(ok=sent.is_ok, sentence=sent.sentence, at=now)
