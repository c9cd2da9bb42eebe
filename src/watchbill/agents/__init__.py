"""How a machine becomes a device and proves that it is one: enrolment, approval, tokens, the Engine's signing keys. And the account that the
Engine has on it.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agents import keys as signing_keys
from watchbill.agents import service_accounts
from watchbill.agents.approvals import (
    APPROVALS,
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
    withdraw_requests,
)
from watchbill.agents.enrolment import (
    EnrolmentDraft,
    Requested,
    check_code,
    is_good_code,
    issue_code,
    poll,
    poll_after_seconds,
    request_enrolment,
)
from watchbill.agents.keys import NoSigningKeyError, Signer, ensure_signing_key, load_signer, public_keys
from watchbill.agents.sealing import seal_for
from watchbill.agents.service_accounts import (
    ACCOUNT_PERMISSIONS,
    DESIRED_CHANNEL,
    AccountCount,
    ServiceAccount,
    ServiceLogin,
    change_service_account,
    change_service_accounts,
    get_service_account,
    service_accounts_told,
    service_accounts_wanted,
    service_logins,
)
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
from watchbill.kit.secrets import KeyRing


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns how many rows."""
    return await signing_keys.reseal(tx, keys) + await service_accounts.reseal(tx, keys)


__all__ = [
    "ACCOUNT_PERMISSIONS",
    "APPROVALS",
    "CHALLENGE_LIFETIME",
    "DESIRED_CHANNEL",
    "AccountCount",
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
    "ServiceAccount",
    "ServiceLogin",
    "Signer",
    "approve",
    "change_service_account",
    "change_service_accounts",
    "check_code",
    "decide_many",
    "deny",
    "ensure_signing_key",
    "exchange",
    "expire_requests",
    "get_request",
    "get_service_account",
    "is_good_code",
    "issue_code",
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
    "service_accounts_told",
    "service_accounts_wanted",
    "service_logins",
    "verify_token",
    "withdraw_requests",
]
