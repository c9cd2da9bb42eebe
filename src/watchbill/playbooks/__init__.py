"""Playbooks outside of a job: their syntax as Ansible sees it, the collections they take, and zip archives of them. Runs none."""

from watchbill.playbooks.archives import ABOUT, MAX_ZIP_BYTES, Tree, Writer
from watchbill.playbooks.archives import read as read_archive
from watchbill.playbooks.installing import CollectionCache
from watchbill.playbooks.programs import settings_of, working_directory
from watchbill.playbooks.syntax import SyntaxChecks

__all__ = [
    "ABOUT",
    "MAX_ZIP_BYTES",
    "CollectionCache",
    "SyntaxChecks",
    "Tree",
    "Writer",
    "read_archive",
    "settings_of",
    "working_directory",
]
