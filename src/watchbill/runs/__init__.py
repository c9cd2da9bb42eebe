"""What became of a job's due instants: occurrences, frozen targets, executions, output and results.

Owns every change of a target's state. Does not decide when a job is due, and does not talk to devices.
"""

from watchbill.runs.backfill import Backfilled, Range, backfill
from watchbill.runs.bulk import BulkDone, BulkJob, bulk
from watchbill.runs.cancelling import (
    Answers,
    Stopped,
    cancel_all_of,
    cancel_occurrence,
    cancel_run,
    cancel_target,
    require_target,
    stop_answers,
)
from watchbill.runs.closed import warnings
from watchbill.runs.device_places import Place, Places, Step, device_place, device_places
from watchbill.runs.device_rows import DeviceRow, Execution, Ran, RowFilter, device_rows, executions_on, get_execution
from watchbill.runs.difference import Difference, Moved, difference
from watchbill.runs.dispatch import Owed, RunContent, contents, devices_went_offline, owed
from watchbill.runs.fetching import FETCH_LIMIT, allow_fetching, entitled, revisions_in_use
from watchbill.runs.given import GivenValue, given_to
from watchbill.runs.given import note as note_given
from watchbill.runs.health import MISSED_SPAN, Health, JobHealth, health_of, look_closer, with_health
from watchbill.runs.held import next_held, open_due_held, release_held, skip_held
from watchbill.runs.history import (
    Ledger,
    Occurrence,
    Run,
    RunPlace,
    WaveProgress,
    clear,
    find_occurrence,
    get_occurrence,
    get_run,
    list_occurrences,
    places_of_runs,
    require_whole,
    runs_of,
    with_waves,
)
from watchbill.runs.in_sessions import somebody_came
from watchbill.runs.job_rows import JobHistory, Recent
from watchbill.runs.manual import Again, open_manual, rerun
from watchbill.runs.moves import close, count
from watchbill.runs.not_run import Held, Missed, Skipped, record_held, record_missed, record_skipped
from watchbill.runs.occurrence_view import AroundIt, around_it
from watchbill.runs.onboarding import forget_onboarding_key
from watchbill.runs.onboarding_again import LookAgain, look_again
from watchbill.runs.onboarding_moves import ONBOARDING, follow_approvals, give_up_onboarding, stop_onboarding
from watchbill.runs.onboarding_rows import (
    OnboardingFilter,
    OnboardingOrigin,
    OnboardingRow,
    onboarding_counts,
    onboarding_origins,
    onboarding_row,
    onboarding_rows,
)
from watchbill.runs.opening import open_occurrences
from watchbill.runs.output import Chunk, Piece, Stream
from watchbill.runs.output import read as read_output
from watchbill.runs.output import store as store_output
from watchbill.runs.output_groups import OutputGroup, output_groups
from watchbill.runs.output_search import Hit, Wanted, search
from watchbill.runs.output_texts import summarise as summarise_output
from watchbill.runs.output_texts import text_of
from watchbill.runs.own_clocks import next_starts
from watchbill.runs.pacing import devices_came, drive_due, release
from watchbill.runs.planning import Around, Plan, plan, plan_around
from watchbill.runs.preflight import NO_KEY
from watchbill.runs.preview import Blocked, Coming, Preview, TargetCounts, preview
from watchbill.runs.recaps import RecapRow, RecapTotal, recaps_of, total_recap
from watchbill.runs.record import Outputs, Report, accepted, cancel_answered, finished, never_came, started
from watchbill.runs.resealing import reseal
from watchbill.runs.retargeting import count_meant
from watchbill.runs.retention import retain
from watchbill.runs.reviewing import review_held
from watchbill.runs.rollout_orders import brake, promote
from watchbill.runs.rollouts import next_look
from watchbill.runs.settling import carry_out, catch_up_pause, planned, settle_job, surroundings
from watchbill.runs.standing import WillNotFire
from watchbill.runs.steps import Followed
from watchbill.runs.stopping import (
    cancel_job,
    cancel_occurrences,
    fail_unreleased,
    next_deadline,
    reap,
    to_cancel,
)
from watchbill.runs.taking import KILL_GRACE, LONGEST_REST, Delivery, Look, Taken, next_start, take
from watchbill.runs.to_open import Launch, Opening, Wave, Work
from watchbill.runs.turns import BOUNDS, GATEWAYS, PLAYBOOKS, await_turn, devices_in, gateway_channel, job_in
from watchbill.runs.waiting import leave_revoked
from watchbill.runs.workflow_wakes import WORKFLOWS, devices_online, remind, wake

__all__ = [
    "BOUNDS",
    "FETCH_LIMIT",
    "GATEWAYS",
    "KILL_GRACE",
    "LONGEST_REST",
    "MISSED_SPAN",
    "NO_KEY",
    "ONBOARDING",
    "PLAYBOOKS",
    "WORKFLOWS",
    "Again",
    "Answers",
    "Around",
    "AroundIt",
    "Backfilled",
    "Blocked",
    "BulkDone",
    "BulkJob",
    "Chunk",
    "Coming",
    "Delivery",
    "DeviceRow",
    "Difference",
    "Execution",
    "Followed",
    "GivenValue",
    "Health",
    "Held",
    "Hit",
    "JobHealth",
    "JobHistory",
    "Launch",
    "Ledger",
    "Look",
    "LookAgain",
    "Missed",
    "Moved",
    "Occurrence",
    "OnboardingFilter",
    "OnboardingOrigin",
    "OnboardingRow",
    "Opening",
    "OutputGroup",
    "Outputs",
    "Owed",
    "Piece",
    "Place",
    "Places",
    "Plan",
    "Preview",
    "Ran",
    "Range",
    "RecapRow",
    "RecapTotal",
    "Recent",
    "Report",
    "RowFilter",
    "Run",
    "RunContent",
    "RunPlace",
    "Skipped",
    "Step",
    "Stopped",
    "Stream",
    "Taken",
    "TargetCounts",
    "Wanted",
    "Wave",
    "WaveProgress",
    "WillNotFire",
    "Work",
    "accepted",
    "allow_fetching",
    "around_it",
    "await_turn",
    "backfill",
    "brake",
    "bulk",
    "cancel_all_of",
    "cancel_answered",
    "cancel_job",
    "cancel_occurrence",
    "cancel_occurrences",
    "cancel_run",
    "cancel_target",
    "carry_out",
    "catch_up_pause",
    "clear",
    "close",
    "contents",
    "count",
    "count_meant",
    "device_place",
    "device_places",
    "device_rows",
    "devices_came",
    "devices_in",
    "devices_online",
    "devices_went_offline",
    "difference",
    "drive_due",
    "entitled",
    "executions_on",
    "fail_unreleased",
    "find_occurrence",
    "finished",
    "follow_approvals",
    "forget_onboarding_key",
    "gateway_channel",
    "get_execution",
    "get_occurrence",
    "get_run",
    "give_up_onboarding",
    "given_to",
    "health_of",
    "job_in",
    "leave_revoked",
    "list_occurrences",
    "look_again",
    "look_closer",
    "never_came",
    "next_deadline",
    "next_held",
    "next_look",
    "next_start",
    "next_starts",
    "note_given",
    "onboarding_counts",
    "onboarding_origins",
    "onboarding_row",
    "onboarding_rows",
    "open_due_held",
    "open_manual",
    "open_occurrences",
    "output_groups",
    "owed",
    "places_of_runs",
    "plan",
    "plan_around",
    "planned",
    "preview",
    "promote",
    "read_output",
    "reap",
    "recaps_of",
    "record_held",
    "record_missed",
    "record_skipped",
    "release",
    "release_held",
    "remind",
    "require_target",
    "require_whole",
    "rerun",
    "reseal",
    "retain",
    "review_held",
    "revisions_in_use",
    "runs_of",
    "search",
    "settle_job",
    "skip_held",
    "somebody_came",
    "started",
    "stop_answers",
    "stop_onboarding",
    "store_output",
    "summarise_output",
    "surroundings",
    "take",
    "text_of",
    "to_cancel",
    "total_recap",
    "wake",
    "warnings",
    "with_health",
    "with_waves",
]
