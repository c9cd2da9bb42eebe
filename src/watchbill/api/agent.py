"""`/api/agent/*`: what agents call before they have a socket. Public: each call carries its own proof.

Unknown fields are let pass here, unlike everywhere else: a newer agent may tell more than this Engine understands.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from watchbill import agents
from watchbill.agents import CHALLENGE_LIFETIME, EnrolmentDraft, RequestState, SealingKey
from watchbill.api.addresses import gateway_url
from watchbill.api.auth import remote_addr
from watchbill.api.common import Instant, Model, Now, TheDeps, Tx, public_router
from watchbill_wire import base64url, from_base64url

resource = public_router(prefix="/api/agent", tags=["agent"])


class AgentModel(BaseModel):
    model_config = ConfigDict(extra="ignore")


def _raw_of(length: int) -> Callable[[str], str]:
    """The text stays as it was sent, since proofs are made over it; here it is only checked."""

    def check(text: str) -> str:
        if len(from_base64url(text)) != length:
            raise ValueError(f"must be base64url of {length} bytes")
        return text

    return check


Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Hostname = Annotated[str, StringConstraints(max_length=253, pattern=r"^\w[\w.\-]*$")]
PublicKey = Annotated[str, StringConstraints(max_length=100), AfterValidator(_raw_of(32))]
Signature = Annotated[str, StringConstraints(max_length=200), AfterValidator(_raw_of(64))]
Token = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Enrol(AgentModel):
    """`proof` signs the code, the host name and the public key (watchbill_wire.enrol_signing_bytes)."""

    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{4,128}$")]
    hostname: Hostname
    public_key: PublicKey
    os_family: Literal["linux", "windows", "macos"]
    os_name: Line
    os_version: Line
    arch: Line
    agent_version: Line
    proof: Signature


class Enrolled(Model):
    enrolment_id: UUID
    poll_token: str
    state: RequestState
    poll_after_seconds: int


class Poll(AgentModel):
    poll_token: Token


class EngineKey(Model):
    key_id: str
    public_key: str


class Polled(Model):
    state: RequestState
    reason: str | None
    device_id: UUID | None
    engine_keys: list[EngineKey]
    gateway_url: str | None
    poll_after_seconds: int


class ChallengeFor(AgentModel):
    device_id: UUID


class Challenge(Model):
    challenge: str
    expires_in_seconds: int


class Proof(AgentModel):
    """`signature` signs the device id and the challenge (watchbill_wire.token_signing_bytes).

    `sealing_key` is the X25519 key that secrets are sealed to, `sealing_signature` signs it (watchbill_wire.sealing_key_signing_bytes).
    """

    device_id: UUID
    challenge: Token
    signature: Signature
    sealing_key: PublicKey | None = None
    sealing_signature: Signature | None = None

    def proof(self) -> dict[str, Any]:
        """As `agents.exchange` takes it. Without its signature a sealing key counts for nothing."""
        sealing = None
        if self.sealing_key is not None:
            sealing = SealingKey(self.sealing_key, from_base64url(self.sealing_signature or ""))
        signature = from_base64url(self.signature)
        return {"device_id": self.device_id, "challenge": self.challenge, "signature": signature, "sealing": sealing}


class TokenReply(Model):
    token: str
    expires_in_seconds: int
    gateway_url: str
    engine_keys: list[EngineKey]
    server_time: Instant


async def _engine_keys(tx: Tx) -> list[EngineKey]:
    return [EngineKey(key_id=key_id, public_key=base64url(raw)) for key_id, raw in await agents.public_keys(tx)]


@resource.post("/enrol", status_code=202)
async def enrol(body: Enrol, request: Request, tx: Tx, now: Now) -> Enrolled:
    """Ask to become a device of the code's site."""
    request.state.keep_on_error = True  # a wrong code counts
    raw = {"public_key": from_base64url(body.public_key), "proof": from_base64url(body.proof)}
    draft = EnrolmentDraft(**(body.model_dump() | raw), public_key_text=body.public_key)
    made = await agents.request_enrolment(tx, draft, remote_addr=remote_addr(request), now=now)
    return Enrolled(
        enrolment_id=made.request.id,
        poll_token=made.poll_token,
        state=made.request.state,
        poll_after_seconds=agents.poll_after_seconds(made.request, now),
    )


@resource.post("/enrol/{enrolment_id}/poll")
async def poll_enrolment(enrolment_id: UUID, body: Poll, request: Request, tx: Tx, now: Now, deps: TheDeps) -> Polled:
    """What became of the request."""
    found = await agents.poll(tx, enrolment_id, body.poll_token)
    is_in = found.state is RequestState.APPROVED
    return Polled(
        state=found.state_at(now),
        reason=found.reason,
        device_id=found.device_id,
        engine_keys=await _engine_keys(tx) if is_in else [],
        gateway_url=await gateway_url(deps, request, tx, now) if is_in else None,
        poll_after_seconds=agents.poll_after_seconds(found, now),
    )


@resource.post("/challenge")
async def get_challenge(body: ChallengeFor, now: Now, deps: TheDeps) -> Challenge:
    """Something to sign; given for any id, so that it tells nothing about devices."""
    challenge = agents.new_challenge(deps.keys, body.device_id, now)
    return Challenge(challenge=challenge, expires_in_seconds=int(CHALLENGE_LIFETIME.total_seconds()))


@resource.post("/token")
async def get_agent_token(body: Proof, request: Request, tx: Tx, now: Now, deps: TheDeps) -> TokenReply:
    """A token for the gateway, for a device that signed its challenge."""
    made = await agents.exchange(
        tx,
        deps.keys,
        **body.proof(),
        lifetime=timedelta(seconds=deps.settings.agent_token_seconds),
        now=now,
    )
    return TokenReply(
        token=made.text,
        expires_in_seconds=int(made.lifetime.total_seconds()),
        gateway_url=await gateway_url(deps, request, tx, now),
        engine_keys=await _engine_keys(tx),
        server_time=now,
    )
