"""The device's side of enrolment: asking with a site's code and a proof of the key, and polling for the answer."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.agents import approvals, code_store, store
from watchbill.agents.approvals import APPROVALS
from watchbill.agents.store import ConflictingDevice, Request, RequestState
from watchbill.agents.tokens import is_signed
from watchbill.core.problems import Problem
from watchbill.identity import ENGINE, EVERY_SITE, Limit
from watchbill.kit import db, events
from watchbill.kit.errors import ForbiddenError, InvalidError, NotFoundError, TooManyRequestsError
from watchbill.kit.events import Event
from watchbill.kit.secrets import fingerprint, is_same, new_token
from watchbill.sites import Site
from watchbill_wire import enrol_signing_bytes

PENDING_FOR = timedelta(days=7)
#: How long a code for one machine is good.
CODE_LIFETIME = timedelta(hours=1)
MOST_PENDING_OF_A_SITE = 5000
PER_ADDRESS = Limit("enrol_address", 10, timedelta(minutes=10))
PER_CODE = Limit("enrol_code", 10, timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class EnrolmentDraft:
    """What a machine says of itself. `public_key_text` and `proof` are as sent: the proof was made over that text."""

    code: str = field(repr=False)
    hostname: str
    public_key: bytes
    public_key_text: str
    proof: bytes
    os_family: str
    os_name: str
    os_version: str
    arch: str
    agent_version: str


@dataclass(frozen=True, slots=True)
class Requested:
    request: Request
    poll_token: str = field(repr=False)


async def request_enrolment(
    tx: AsyncConnection, draft: EnrolmentDraft, *, remote_addr: str | None, now: datetime
) -> Requested:
    """Ask to become a device; asking again with the same key renews the pending request and its poll token.

    A refused code is counted: the caller of this must keep what was written when it raises.
    """
    address = remote_addr or "unknown"
    _wait_if(await PER_ADDRESS.blocked_for(tx, address, now))
    signed = enrol_signing_bytes(draft.code, draft.hostname, draft.public_key_text)
    if not is_signed(draft.public_key, draft.proof, signed):
        wrong = Problem(
            "proof", "bad_signature", "must be the key's signature over this code, host name and public key"
        )
        raise InvalidError("The proof does not fit the request.", code="invalid_request", problems=[wrong])
    site, target_id = await sites.find_by_code(tx, draft.code), None
    if site is None:
        used = await code_store.use(tx, sites.code_hash(draft.code), draft.public_key, now)
        if used is None:
            await _count_wrong_code(tx, draft.code, draft.hostname, address, now)
            raise ForbiddenError("This enrolment code is not accepted.", code="enrolment_refused")
        site, target_id = await sites.by_id(tx, used.site_id), used.onboarding_target_id
    made = await _put(tx, site, draft, target_id, remote_addr, now)
    if target_id is not None:
        await db.notify(tx, APPROVALS)
    return made


async def issue_code(tx: AsyncConnection, site_id: int, target_id: int, now: datetime) -> str:
    """A new code for one machine that an onboarding job brings, good once and for an hour; others for it are good no more."""
    code = sites.new_code()
    hashed, until = sites.code_hash(code), now + CODE_LIFETIME
    await code_store.issue(tx, hashed, site_id=site_id, target_id=target_id, now=now, expires_at=until)
    return code


async def is_good_code(tx: AsyncConnection, code: str, now: datetime) -> bool:
    """Whether somebody may be enrolled with a code: a site's, or one for one machine that nobody has used yet."""
    if await sites.find_by_code(tx, code) is not None:
        return True
    return await code_store.site_of(tx, sites.code_hash(code), now) is not None


async def check_code(tx: AsyncConnection, code: str, *, remote_addr: str | None, now: datetime) -> None:
    """Refuse who has no good code, as an enrolment would. A refused code is counted: the caller must keep what was written."""
    address = remote_addr or "unknown"
    _wait_if(await PER_ADDRESS.blocked_for(tx, address, now))
    if not await is_good_code(tx, code, now):
        await _count_wrong_code(tx, code, "", address, now)
        raise ForbiddenError("This enrolment code is not accepted.", code="enrolment_refused")


async def _count_wrong_code(tx: AsyncConnection, code: str, hostname: str, address: str, now: datetime) -> None:
    masked = sites.masked(code)
    await PER_ADDRESS.hit(tx, address, now)
    wait = await PER_CODE.hit(tx, masked, now)
    _wait_if(wait)  # beyond the limit nothing more is stored of it
    failure = {"at": now, "masked_code": masked, "hostname": hostname, "remote_addr": address}
    await store.insert_failure(tx, failure)


def _wait_if(seconds: int | None) -> None:
    if seconds is not None:
        detail = "Too many wrong enrolment codes; wait before the next try."
        raise TooManyRequestsError(detail, retry_after_seconds=seconds)


async def _put(
    tx: AsyncConnection,
    site: Site,
    draft: EnrolmentDraft,
    target_id: int | None,
    remote_addr: str | None,
    now: datetime,
) -> Requested:
    # What a job brought in waits for a person always: nobody stood before that machine.
    is_approving = target_id is None and site.is_auto_approving(now)
    if is_approving:
        await store.lock_decisions(tx)  # before the look for conflicts, so that this look is still true at the decision
    poll_token = new_token()
    conflict = await store.find_conflict(tx, site_id=site.id, hostname=draft.hostname, public_key=draft.public_key)
    values = _values(site, draft, conflict, poll_token, remote_addr, now)
    if target_id is not None:
        values["onboarding_target_id"] = target_id
    request_id, is_new = await store.put_request(tx, values)
    if is_new:
        await _check_room(tx, site)
    if conflict is None and is_approving:
        await approvals.approve(tx, ENGINE, request_id, now=now)
    elif is_new:
        payload = {"approval_id": str(request_id), "hostname": draft.hostname}
        await events.publish(tx, [Event("approval.created", payload, site.id)], now)
    return Requested(await _get(tx, request_id), poll_token)


def _values(
    site: Site,
    draft: EnrolmentDraft,
    conflict: ConflictingDevice | None,
    poll_token: str,
    remote_addr: str | None,
    now: datetime,
) -> dict[str, object]:
    told = ("hostname", "public_key", "os_family", "os_name", "os_version", "arch", "agent_version")
    return {
        "id": uuid4(),
        "site_id": site.id,
        "state": RequestState.PENDING.value,
        **{name: getattr(draft, name) for name in told},
        "poll_token_hash": fingerprint(poll_token),
        "remote_addr": remote_addr,
        "conflict": conflict.conflict.value if conflict else None,
        "conflict_device_id": conflict.device_id if conflict else None,
        "created_at": now,
        "expires_at": now + PENDING_FOR,
    }


async def _check_room(tx: AsyncConnection, site: Site) -> None:
    """Whoever has a code can ask in the name of ever new machines; a person could never look through them all."""
    if await store.count_pending(tx, site.id) > MOST_PENDING_OF_A_SITE:
        detail = f"{MOST_PENDING_OF_A_SITE} devices wait for approval in this site; decide about those first."
        raise TooManyRequestsError(detail, retry_after_seconds=3600)


async def _get(tx: AsyncConnection, request_id: UUID) -> Request:
    request = await store.find_request(tx, request_id, EVERY_SITE)
    if request is None:
        raise NotFoundError("There is no such enrolment request.")
    return request


async def poll(tx: AsyncConnection, request_id: UUID, poll_token: str) -> Request:
    """The request, for whoever holds its newest poll token."""
    request = await _get(tx, request_id)
    if not is_same(fingerprint(poll_token).hex(), request.poll_token_hash.hex()):
        raise NotFoundError("There is no such enrolment request.")
    return request


def poll_after_seconds(request: Request, now: datetime) -> int:
    """Often while a person may be watching, seldom when a request has waited for long."""
    age = now - (request.expires_at - PENDING_FOR)  # since it was last asked for
    if age < timedelta(minutes=2):
        return 2
    return 15 if age < timedelta(hours=1) else 120
