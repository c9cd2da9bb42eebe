"""Saved views: the filters, the order and the columns of a screen under a name, a person's own or shared with everybody.

What a screen's list accepts is known to the API, which checks a view before it is saved.
"""

from watchbill.views.reading import ViewDraft, read
from watchbill.views.saving import (
    MAX_VIEWS,
    View,
    ViewFilter,
    allowed_actions,
    create,
    delete,
    get,
    list_views,
    lock,
    update,
)

__all__ = [
    "MAX_VIEWS",
    "View",
    "ViewDraft",
    "ViewFilter",
    "allowed_actions",
    "create",
    "delete",
    "get",
    "list_views",
    "lock",
    "read",
    "update",
]
