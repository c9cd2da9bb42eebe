"""What a job signs in with: one credential of the right kind or the service account where its context signs in, and else nothing."""

from dataclasses import replace
from uuid import UUID

import pytest

from tests.core.test_job_rules import DEVICES, device, found, job
from watchbill.core.credential_rules import CredentialKind
from watchbill.core.job_rules import read
from watchbill.core.job_rules_login import KIND_OF, LoginFacts, judge_login, login_conflicts
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.targets import AllDevices, DeviceTarget, FilterTarget, SiteTarget

#: NONE is of jobs that run on no device by themselves: their rules are in test_job_rules_onboarding.
LOCAL = [ExecutionContext.SYSTEM, ExecutionContext.CURRENT_USER]
REMOTE = [one for one in ExecutionContext if one not in (*LOCAL, ExecutionContext.NONE)]
HERE, ELSEWHERE = 3, 4
SSH = LoginFacts(CredentialKind.SSH)


EVERYBODY = (AllDevices(),)


def draft(context, credential_id=None, *, use_service_account=False, targets=EVERYBODY):
    plain = read(job()).draft
    places = {target: place for place, target in enumerate(targets)}
    return replace(
        plain,
        execution_context=context,
        credential_id=credential_id,
        use_service_account=use_service_account,
        targets=places,
    )


def told(problems):
    return [(one.field, one.code) for one in problems]


def judged(one, known, *, is_enabled=True):
    return told(judge_login(one, known, is_enabled=is_enabled))


def test_every_context_signs_in_or_does_not():
    assert sorted(KIND_OF) == sorted(REMOTE)


@pytest.mark.parametrize("context", LOCAL)
def test_what_runs_through_the_agent_takes_neither(context):
    assert told(login_conflicts(draft(context))) == []
    both = draft(context, 9, use_service_account=True)
    assert told(login_conflicts(both)) == [("credential_id", "not_allowed"), ("use_service_account", "not_allowed")]


@pytest.mark.parametrize("context", REMOTE)
def test_what_signs_in_takes_exactly_one(context):
    assert told(login_conflicts(draft(context, 9))) == []
    assert told(login_conflicts(draft(context, use_service_account=True))) == []
    assert told(login_conflicts(draft(context))) == [("credential_id", "required")]
    assert told(login_conflicts(draft(context, 9, use_service_account=True))) == [
        ("use_service_account", "not_allowed")
    ]


@pytest.mark.parametrize("context", REMOTE)
@pytest.mark.parametrize("kind", CredentialKind)
def test_the_credential_is_of_the_kind_that_the_context_signs_in_by(context, kind):
    fits = context.value.startswith(kind.value)
    assert judged(draft(context, 9), LoginFacts(kind)) == ([] if fits else [("credential_id", "wrong_kind")])


def test_a_credential_that_is_not_there_or_not_to_be_seen_is_told_in_one_way():
    assert judged(draft(ExecutionContext.SSH, 9), None) == [("credential_id", "credential_not_found")]
    assert judged(draft(ExecutionContext.SSH, use_service_account=True), None) == []


def test_a_locked_credential_keeps_a_job_from_being_enabled_and_from_nothing_else():
    one, locked = draft(ExecutionContext.SSH, 9), replace(SSH, is_locked=True)
    assert judged(one, locked) == [("credential_id", "credential_locked")]
    assert judged(one, locked, is_enabled=False) == []


@pytest.mark.parametrize(
    ("targets", "fits"),
    [
        ([DeviceTarget(DEVICES[0])], True),
        ([DeviceTarget(DEVICES[1])], False),
        ([DeviceTarget(DEVICES[1]), DeviceTarget(DEVICES[0])], True),
        ([SiteTarget(HERE)], True),
        ([SiteTarget(ELSEWHERE)], False),
        ([FilterTarget(7)], True),
        ([AllDevices()], True),
    ],
)
def test_a_credential_of_a_site_is_for_a_job_that_can_reach_it(targets, fits):
    known = replace(SSH, site_id=HERE, devices_there={DEVICES[0]})
    wanted = [] if fits else [("credential_id", "credential_mismatch")]
    assert judged(draft(ExecutionContext.SSH_INDIVIDUAL, 9, targets=targets), known) == wanted


def test_without_targets_only_these_are_missed():
    known = replace(SSH, site_id=HERE)
    assert judged(draft(ExecutionContext.SSH, 9, targets=()), known) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"credential_id": None, "use_service_account": None}, []),
        ({"credential_id": 9}, [("credential_id", "not_allowed")]),
        ({"use_service_account": True}, [("use_service_account", "not_allowed")]),
        ({"credential_id": "9"}, [("credential_id", "out_of_range")]),
        ({"credential_id": 2**63}, [("credential_id", "out_of_range")]),
        ({"use_service_account": "yes"}, [("use_service_account", "wrong_type")]),
    ],
)
def test_a_script_takes_neither_and_bad_values_are_named(changes, wanted):
    assert found(job(targets=[device(UUID(int=100))], **changes)) == wanted
