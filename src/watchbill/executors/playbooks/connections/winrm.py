"""Ansible's connection `winrm`, which this takes the place of, with the one difference of `kit.winrm`."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import ansible.plugins.connection

from watchbill.kit.winrm import NamedProtocol


def _original() -> ModuleType:
    """By its file: Ansible loads this one under the original's name."""
    path = Path(ansible.plugins.connection.__file__).with_name("winrm.py")
    spec = spec_from_file_location(f"{__name__}_original", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_winrm = _original()
_winrm.Protocol = NamedProtocol  # type: ignore[attr-defined]
#: Ansible reads a connection's options from its documentation.
DOCUMENTATION = _winrm.DOCUMENTATION
Connection = _winrm.Connection
