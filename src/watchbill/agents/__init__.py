"""How a machine becomes a device and proves that it is one: enrolment, approval, tokens, the Engine's signing keys."""

from watchbill.agents.approvals import (
    Decided,
    Decision,
    Resolution,
    approve,
    decide_many,
    deny,
    expire_requests,
    get_request,
    list_refused_codes,
    list_requests,
)
from watchbill.agents.enrolment import EnrolmentDraft, Requested, poll, poll_after_seconds, request_enrolment
from watchbill.agents.keys import NoSigningKeyError, Signer, ensure_signing_key, load_signer, public_keys, reseal
from watchbill.agents.sealing import seal_for
from watchbill.agents.store import Conflict, RefusedCode, Request, RequestState
from watchbill.agents.tokens import (
    CHALLENGE_LIFETIME,
    AgentToken,
    AgentTokenError,
    SealingKey,
    exchange,
    new_challenge,
    verify_token,
)

__all__ = [
    "CHALLENGE_LIFETIME",
    "AgentToken",
    "AgentTokenError",
    "Conflict",
    "Decided",
    "Decision",
    "EnrolmentDraft",
    "NoSigningKeyError",
    "RefusedCode",
    "Request",
    "RequestState",
    "Requested",
    "Resolution",
    "SealingKey",
    "Signer",
    "approve",
    "decide_many",
    "deny",
    "ensure_signing_key",
    "exchange",
    "expire_requests",
    "get_request",
    "list_refused_codes",
    "list_requests",
    "load_signer",
    "new_challenge",
    "poll",
    "poll_after_seconds",
    "public_keys",
    "request_enrolment",
    "reseal",
    "seal_for",
    "verify_token",
]
