"""The rows of service accounts in the authorization matrix, and all rows together."""

from tests.api.authorization_delivery import ROWS as OTHERS
from tests.api.authorization_table import DEVICE, FILTER, READ, P, Row

_NEEDS = (P.DEVICES_WRITE, P.RUN_AS_SYSTEM)
_OF_DEVICE, _OF_MANY = "/api/devices/{device_id}/service_account", "POST /api/devices/service_accounts"
ACCOUNTS = (
    Row(f"GET {_OF_DEVICE}", READ, DEVICE),
    Row(f"POST {_OF_DEVICE}", _NEEDS, DEVICE),
    # There is none to rotate: whoever may do it is told.
    Row(f"POST {_OF_DEVICE}/rotate", _NEEDS, DEVICE, ok=409),
    Row(f"DELETE {_OF_DEVICE}", _NEEDS, DEVICE),
    Row(
        _OF_MANY,
        _NEEDS,
        DEVICE,
        lambda it: {"action": "create", "device_ids": [it.device_id]},
        is_in_path=False,
        unseen=422,
    ),
    Row(
        _OF_MANY,
        _NEEDS,
        FILTER,
        lambda it: {"action": "create", "filter_id": it.filter_id, "dry_run": True},
        is_in_path=False,
    ),
)
ROWS = (*OTHERS, *ACCOUNTS)
