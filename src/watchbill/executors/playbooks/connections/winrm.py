"""Ansible's connection `winrm`, which this takes the place of. Two things differ: what `kit.winrm` says, and that open shells are noted."""

import hashlib
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import ansible.plugins.connection
from ansible import constants

from watchbill.kit.winrm import Protocol


def _original() -> Any:
    """By its file: Ansible loads this one under the original's name."""
    path = Path(ansible.plugins.connection.__file__).with_name("winrm.py")
    spec = spec_from_file_location(f"{__name__}_original", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _NotedProtocol(Protocol):
    """Has a file for each shell that is open, so that one that is left open can be closed from elsewhere."""

    def open_shell(self, *args: Any, **options: Any) -> str:
        shell_id = super().open_shell(*args, **options)
        note = _note(shell_id)
        # A note that is there is whole, whenever this process is killed.
        note.with_suffix(".new").write_text(json.dumps({"endpoint": self.transport.endpoint, "shell": shell_id}))
        note.with_suffix(".new").replace(note)
        return shell_id

    def close_shell(self, shell_id: str, close_session: bool = True) -> None:  # noqa: FBT001, FBT002 - pywinrm's
        super().close_shell(shell_id, close_session)
        _note(shell_id).unlink(missing_ok=True)


def _note(shell_id: str) -> Path:
    """Its name is no more than a name, whatever a device calls its shells."""
    folder = Path(constants.ANSIBLE_HOME) / "shells"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / hashlib.sha256(shell_id.encode()).hexdigest()


_winrm = _original()
_winrm.Protocol = _NotedProtocol
#: Ansible reads a connection's options from its documentation.
DOCUMENTATION = _winrm.DOCUMENTATION
Connection = _winrm.Connection
