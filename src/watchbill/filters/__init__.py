"""Device filters: saved questions about devices, asked anew whenever an occurrence falls due."""

from watchbill.filters.looking import fields, preview, preview_saved
from watchbill.filters.saving import (
    allowed_actions,
    archive,
    clone,
    compile_anew,
    create,
    delete,
    get,
    list_filters,
    list_revisions,
    lock,
    unarchive,
    update,
    using_field,
)
from watchbill.filters.values import (
    Action,
    FilterQuery,
    FilterRevision,
    FilterSort,
    Match,
    Preview,
    Saved,
    SavedFilter,
)
from watchbill.filters.visible import facts_of, ids_named, names_of

__all__ = [
    "Action",
    "FilterQuery",
    "FilterRevision",
    "FilterSort",
    "Match",
    "Preview",
    "Saved",
    "SavedFilter",
    "allowed_actions",
    "archive",
    "clone",
    "compile_anew",
    "create",
    "delete",
    "facts_of",
    "fields",
    "get",
    "ids_named",
    "list_filters",
    "list_revisions",
    "lock",
    "names_of",
    "preview",
    "preview_saved",
    "unarchive",
    "update",
    "using_field",
]
