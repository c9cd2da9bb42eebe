"""Device filters: saved questions about devices, asked anew whenever an occurrence falls due."""

from watchbill.filters.visible import facts_of, ids_named, names_of

__all__ = ["facts_of", "ids_named", "names_of"]
