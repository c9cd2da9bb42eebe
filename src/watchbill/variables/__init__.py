"""Values of variables for everything, for sites and for devices: set by people, given to scripts at the hand-out.

A value is a row for each revision; secrets are sealed, and forgotten when they are replaced or removed.
"""

from watchbill.variables.giving import LACKS, LACKS_KEY, LACKS_NAME, Giver, for_everything, values_used
from watchbill.variables.resealing import reseal
from watchbill.variables.saving import create, get, list_values, lock, names_with_values, remove, update
from watchbill.variables.store import Listed, Used, VariableValue

__all__ = [
    "LACKS",
    "LACKS_KEY",
    "LACKS_NAME",
    "Giver",
    "Listed",
    "Used",
    "VariableValue",
    "create",
    "for_everything",
    "get",
    "list_values",
    "lock",
    "names_with_values",
    "remove",
    "reseal",
    "update",
    "values_used",
]
