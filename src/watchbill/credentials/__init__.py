"""Credentials: what jobs sign in to devices with, for one site or for every site.

Secrets are write-only. They are sealed under the key ring, and opened only by `open_for_use`, in the process that signs in.
"""

from watchbill.credentials.opening import (
    Checked,
    CredentialLockedError,
    check_keys,
    locked_reason,
    open_for_use,
    reseal,
)
from watchbill.credentials.saving import (
    allowed_actions,
    create,
    get,
    is_told,
    list_credentials,
    lock,
    remove,
    update,
)
from watchbill.credentials.store import facts, ids_named
from watchbill.credentials.values import (
    Action,
    Credential,
    CredentialFacts,
    Listed,
    OpenBecome,
    OpenCredential,
    State,
)

__all__ = [
    "Action",
    "Checked",
    "Credential",
    "CredentialFacts",
    "CredentialLockedError",
    "Listed",
    "OpenBecome",
    "OpenCredential",
    "State",
    "allowed_actions",
    "check_keys",
    "create",
    "facts",
    "get",
    "ids_named",
    "is_told",
    "list_credentials",
    "lock",
    "locked_reason",
    "open_for_use",
    "remove",
    "reseal",
    "update",
]
