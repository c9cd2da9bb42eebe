"""The rows of assemblies' files and uses and of roles in the authorization matrix, with those of notifications and all others."""

import io

from tests.api.authorization_notifications import ROWS as OTHERS
from tests.api.authorization_table import COMMON, READ, USED, P, Row
from watchbill.playbooks import Writer

_SCRIPT = "/api/assemblies/{assembly_id}"
_FILE = f"{_SCRIPT}/files/{{name}}"
_CALLED = (("name", "file_name"),)
_WRITE = (P.ASSEMBLIES_WRITE,)


def _zip() -> bytes:
    file = io.BytesIO()
    with Writer(file) as writer:
        writer.add("playbook.yml", iter([b"- hosts: all\n"]))
    return file.getvalue()


FILES = (
    Row("POST /api/assemblies/check", _WRITE, body=lambda _: {"name": "Fresh"}),
    Row(
        "POST /api/assemblies/check",
        _WRITE,
        COMMON,
        lambda _: {"name": "Fresh"},
        lambda it: {"assembly_id": it.assembly_id},
    ),
    Row(
        "POST /api/assemblies/import_zip",
        _WRITE,
        body=lambda _: _zip(),
        query=lambda _: {"name": "Unpacked"},
        ok=201,
        content_type="application/octet-stream",
    ),
    # What is there is a script, and only a playbook is an archive.
    Row(f"GET {_SCRIPT}/export_zip", READ, COMMON, ok=409),
    Row("POST /api/assembly_files", _WRITE, body=lambda _: "bytes", ok=201, content_type="application/octet-stream"),
    Row(f"GET {_SCRIPT}/usage", READ, COMMON),
    Row("GET /api/operators/roles", (P.OPERATORS_WRITE,)),
    Row(f"GET {_SCRIPT}/files", READ, COMMON),
    Row(f"GET {_FILE}", READ, COMMON, path_as=_CALLED),
    Row(f"PUT {_FILE}", _WRITE, COMMON, lambda it: {"sha256": it.file_sha256}, path_as=_CALLED),
    Row(f"DELETE {_FILE}", _WRITE, COMMON, path_as=_CALLED),
    Row(
        f"PUT {_FILE}",
        (P.ASSEMBLIES_WRITE, P.RUN_AS_SYSTEM),
        USED,
        lambda it: {"sha256": it.other_sha256},
        is_in_path=False,
        unseen=403,
        spans=403,
        path_of="side",
        path_as=(("assembly_id", "script_id"), *_CALLED),
    ),
    Row(
        f"DELETE {_FILE}",
        (P.ASSEMBLIES_WRITE, P.RUN_AS_SYSTEM),
        USED,
        is_in_path=False,
        unseen=403,
        spans=403,
        path_of="side",
        path_as=(("assembly_id", "script_id"), *_CALLED),
    ),
)
ROWS = (*OTHERS, *FILES)
