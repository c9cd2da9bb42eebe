"""Jobs: what operators saved, who sees them, and when each is due next. Opens no occurrence: that is `runs`."""

from watchbill.jobs.changes import CHANNEL
from watchbill.jobs.definition import environment, open_variables, shown
from watchbill.jobs.due import advance, due_settings, earliest_due, resume_paused, sites_due_within, take_due
from watchbill.jobs.files import export_file, import_file
from watchbill.jobs.listing import visible_ids
from watchbill.jobs.preview import PREVIEWED, Preview, TargetCounts, preview, preview_saved
from watchbill.jobs.saving import (
    NEEDED,
    Judged,
    Saved,
    allowed_actions,
    create,
    delete,
    get,
    judge,
    list_jobs,
    list_revisions,
    lock,
    toggle,
    update,
    using_assembly,
)
from watchbill.jobs.values import (
    Action,
    Advance,
    DueJob,
    JobFilter,
    JobRevision,
    JobState,
    SavedJob,
    Sort,
    TargetSummary,
)

__all__ = [
    "CHANNEL",
    "NEEDED",
    "PREVIEWED",
    "Action",
    "Advance",
    "DueJob",
    "JobFilter",
    "JobRevision",
    "JobState",
    "Judged",
    "Preview",
    "Saved",
    "SavedJob",
    "Sort",
    "TargetCounts",
    "TargetSummary",
    "advance",
    "allowed_actions",
    "create",
    "delete",
    "due_settings",
    "earliest_due",
    "environment",
    "export_file",
    "get",
    "import_file",
    "judge",
    "list_jobs",
    "list_revisions",
    "lock",
    "open_variables",
    "preview",
    "preview_saved",
    "resume_paused",
    "shown",
    "sites_due_within",
    "take_due",
    "toggle",
    "update",
    "using_assembly",
    "visible_ids",
]
