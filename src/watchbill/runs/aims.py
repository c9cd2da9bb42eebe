"""The frozen rules of a run in words. Pure."""

from collections.abc import Mapping
from typing import Any


def rule_in_words(rule: Mapping[str, Any]) -> str:
    """filter “Servers” (revision 3), site “Harbour”, all devices."""
    match rule["kind"]:
        case "filter":
            return f"filter “{rule['name']}” (revision {rule['revision']})"
        case "site":
            return f"site “{rule['name']}”"
        case _:
            return "all devices"
