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
from watchbill.assemblies.file_store import PIECE_BYTES, Part
from watchbill.assemblies.files import (
    UNUSED_FOR,
    Upload,
    begin_upload,
    drop_upload,
    earlier_revisions,
    finish_upload,
    hold_files,
    read_part,
    read_parts,
    remove_unused,
    with_file,
    without_file,
)
from watchbill.assemblies.files import (
    find as find_file,
)
from watchbill.assemblies.files import (
    kept as kept_files,
)
from watchbill.assemblies.store import Assembly, AssemblyBrief, AssemblyFilter, Revision, find_named, hold_many

__all__ = [
    "PIECE_BYTES",
    "UNUSED_FOR",
    "Assembly",
    "AssemblyBrief",
    "AssemblyFilter",
    "Part",
    "Revision",
    "Saved",
    "Upload",
    "archive",
    "begin_upload",
    "create",
    "drop_upload",
    "earlier_revisions",
    "export_file",
    "find_file",
    "find_named",
    "finish_upload",
    "get",
    "get_revision",
    "hold_files",
    "hold_many",
    "import_file",
    "kept_files",
    "list_assemblies",
    "list_revisions",
    "load_revisions",
    "lock",
    "read_part",
    "read_parts",
    "remove_unused",
    "restore",
    "update",
    "with_file",
    "without_file",
]
