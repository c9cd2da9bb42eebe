"""Ansible's connection `winrm`, which this takes the place of, with the one difference of `kit.winrm`."""

from ansible.plugins.connection import winrm
from ansible.plugins.connection.winrm import DOCUMENTATION, Connection

from watchbill.kit.winrm import NamedProtocol

#: Ansible reads a connection's options from its documentation.
__all__ = ["DOCUMENTATION", "Connection"]

winrm.Protocol = NamedProtocol
