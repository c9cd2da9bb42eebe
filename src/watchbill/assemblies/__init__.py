"""The catalogue: scripts with declared variables, every save an immutable revision. Knows nothing of jobs."""

from watchbill.assemblies.catalogue import (
    Saved,
    archive,
    create,
    export_file,
    get,
    get_revision,
    import_file,
    list_assemblies,
    list_revisions,
    load_revisions,
    lock,
    restore,
    update,
)
from watchbill.assemblies.store import Assembly, AssemblyBrief, AssemblyFilter, Revision, find_named, hold_many

__all__ = [
    "Assembly",
    "AssemblyBrief",
    "AssemblyFilter",
    "Revision",
    "Saved",
    "archive",
    "create",
    "export_file",
    "find_named",
    "get",
    "get_revision",
    "hold_many",
    "import_file",
    "list_assemblies",
    "list_revisions",
    "load_revisions",
    "lock",
    "restore",
    "update",
]
