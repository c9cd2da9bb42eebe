"""Packages of the agent: built here, published on branches, signed, and given to who brings them to devices."""

from watchbill.agent_packages.archive import Inspected, inspect
from watchbill.agent_packages.cache import CachedPackage, DamagedPackageError, PackageCache
from watchbill.agent_packages.publishing import (
    BRANCH,
    STABLE,
    NoPackageError,
    Published,
    branch_problems,
    branches,
    chunks_of,
    get,
    list_packages,
    newest,
    promote,
    publish,
    read_chunk,
    require,
    withdraw,
)
from watchbill.agent_packages.store import Package

__all__ = [
    "BRANCH",
    "STABLE",
    "CachedPackage",
    "DamagedPackageError",
    "Inspected",
    "NoPackageError",
    "Package",
    "PackageCache",
    "Published",
    "branch_problems",
    "branches",
    "chunks_of",
    "get",
    "inspect",
    "list_packages",
    "newest",
    "promote",
    "publish",
    "read_chunk",
    "require",
    "withdraw",
]
