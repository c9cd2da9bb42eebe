"""Who somebody is, what they may do, which sites they see, and the record of what they did."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import audit, idempotency, passwords, sessions, store, throttle
from watchbill.identity.actor import ENGINE, EVERY_SITE, ROLE_PERMISSIONS, Actor, Permission, Role, SiteScope
from watchbill.identity.operators import (
    OperatorChange,
    OperatorDraft,
    Rights,
    bootstrap_admin,
    create_operator,
    delete_operator,
    get_operator,
    list_operators,
    list_roles,
    update_operator,
)
from watchbill.identity.sessions import (
    Attempt,
    Session,
    SignIn,
    begin_attempt,
    by_api_token,
    by_session,
    change_own_password,
    check_csrf,
    close_session,
    finish_attempt,
    keep_hash_current,
    open_session,
)
from watchbill.identity.store import ApiToken, Operator
from watchbill.identity.throttle import Limit
from watchbill.identity.tokens import NewApiToken, create_api_token, list_api_tokens, revoke_api_token


async def prune(tx: AsyncConnection, now: datetime) -> None:
    """Delete what has ended: sessions, counted attempts, kept replies. Safe to repeat."""
    await store.delete_ended_sessions(tx, now)
    await throttle.prune(tx, now)
    await idempotency.prune(tx, now)


__all__ = [
    "ENGINE",
    "EVERY_SITE",
    "ROLE_PERMISSIONS",
    "Actor",
    "ApiToken",
    "Attempt",
    "Limit",
    "NewApiToken",
    "Operator",
    "OperatorChange",
    "OperatorDraft",
    "Permission",
    "Rights",
    "Role",
    "Session",
    "SignIn",
    "SiteScope",
    "audit",
    "begin_attempt",
    "bootstrap_admin",
    "by_api_token",
    "by_session",
    "change_own_password",
    "check_csrf",
    "close_session",
    "create_api_token",
    "create_operator",
    "delete_operator",
    "finish_attempt",
    "get_operator",
    "idempotency",
    "keep_hash_current",
    "list_api_tokens",
    "list_operators",
    "list_roles",
    "open_session",
    "passwords",
    "prune",
    "revoke_api_token",
    "sessions",
    "update_operator",
]
