"""What an onboarding job may say: read without a database, everything wrong at once."""

from datetime import UTC, datetime

import pytest

from watchbill.core.credential_rules import CredentialKind
from watchbill.core.job_rules import Facts, read, settle
from watchbill.core.job_rules_login import LoginFacts
from watchbill.core.job_rules_onboarding import TIME_LIMIT_SECONDS, onboarding_in_words
from watchbill.core.job_rules_values import ExecutionContext, Onboarding
from watchbill.core.targets import OnboardingScope, TargetFacts

NOW = datetime(2026, 11, 29, tzinfo=UTC)
SSH, WINRM = LoginFacts(CredentialKind.SSH), LoginFacts(CredentialKind.WINRM)


def job(**changes):
    return {
        "name": "The harbour's machines",
        "job_kind": "onboarding",
        "components": [{"kind": "device_onboarding"}],
        "targets": [{"kind": "onboarding_scope", "site_id": 3, "entries": ["10.4.0.1-9"], "exclusions": []}],
        "credential_ids": [9],
        "schedule": {"type": "immediately"},
    } | changes


def judged(body, *, logins=None, most=4096, sites=(3,)):
    reading = read(body)
    known = {9: SSH} if logins is None else logins
    targets = TargetFacts(sites=frozenset(sites))
    settled = settle(reading.draft, Facts(NOW, {}, targets, logins=known, most_addresses=most))
    return settled.job, {(one.field, one.code) for one in (*reading.problems, *settled.problems)}


def test_a_job_with_the_least_is_whole_and_runs_in_no_context():
    made, problems = judged(job())
    assert problems == set()
    assert made is not None
    assert made.onboarding == Onboarding("auto", "stable", 22, 5985, 445, 5)
    assert made.execution_context is ExecutionContext.NONE
    assert made.time_limit_seconds == TIME_LIMIT_SECONDS
    assert made.targets == (OnboardingScope(3, ("10.4.0.1-9",)),)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"components": []}, ("components", "length")),
        ({"components": [{"kind": "script"}]}, ("components.0.kind", "not_allowed")),
        ({"components": [{"platform": "beos"}]}, ("components.0.platform", "not_allowed")),
        ({"components": [{"install_branch": "Stable!"}]}, ("components.0.install_branch", "invalid_text")),
        ({"components": [{"ssh_port": 0}]}, ("components.0.ssh_port", "out_of_range")),
        ({"credential_ids": []}, ("credential_ids", "length")),
        ({"credential_ids": [9, 9]}, ("credential_ids.1", "duplicate")),
        ({"credential_ids": ["9"]}, ("credential_ids.0", "wrong_type")),
        ({"credential_id": 9}, ("credential_id", "not_allowed")),
        ({"use_service_account": True}, ("use_service_account", "not_allowed")),
        ({"execution_context": "ssh"}, ("execution_context", "not_allowed")),
        ({"exclusions": [{"kind": "site", "site_id": 3}]}, ("exclusions", "not_allowed")),
        ({"targets": [{"kind": "all_devices"}]}, ("targets.0.kind", "not_allowed")),
        ({"policies": {"offline": "skip"}}, ("policies.offline", "not_allowed")),
        ({"policies": {"retries": 2}}, ("policies.retries", "not_allowed")),
        ({"policies": {"overlap": "queue_one"}}, ("policies.overlap", "not_allowed")),
        ({"policies": {"no_targets": "fail"}}, ("policies.no_targets", "not_allowed")),
        ({"duration": {"expires_after_seconds": 60}}, ("duration.expires_after_seconds", "not_allowed")),
        (
            {"schedule": {"type": "daily", "start": "2026-12-01T03:00", "timezone_source": "device"}},
            ("schedule.timezone_source", "not_allowed"),
        ),
    ],
)
def test_what_it_may_not_say_is_told_at_its_field(changes, problem):
    _, problems = judged(job(**changes))
    assert problem in problems


def test_its_scope_is_judged_with_the_lines_that_are_wrong_and_by_how_much_it_is_too_large():
    scope = {"kind": "onboarding_scope", "site_id": 4, "entries": ["10.4.0.1", "10.4.0.300", "10.0.0.0/8"]}
    _, problems = judged(job(targets=[scope]), most=100)
    assert problems == {
        ("targets.0.entries.1", "bad_entry"),
        ("targets.0.entries", "too_many"),
        ("targets.0.site_id", "site_not_found"),
    }


@pytest.mark.parametrize(
    ("platform", "login", "problem"),
    [
        ("linux", SSH, None),
        ("windows", WINRM, None),
        ("auto", WINRM, None),
        ("windows", SSH, "wrong_kind"),
        ("linux", WINRM, "wrong_kind"),
        ("auto", None, "credential_not_found"),
        ("auto", LoginFacts(CredentialKind.SSH, site_id=3), None),
        ("auto", LoginFacts(CredentialKind.SSH, site_id=4), "credential_mismatch"),
        ("auto", LoginFacts(CredentialKind.SSH, is_locked=True), "credential_locked"),
    ],
)
def test_each_credential_fits_the_platform_and_the_site(platform, login, problem):
    body = job(components=[{"platform": platform}])
    _, problems = judged(body, logins={} if login is None else {9: login})
    assert problems == ({("credential_ids.0", problem)} if problem else set())


def test_what_it_does_is_told_in_words():
    words = onboarding_in_words(Onboarding("linux", "beta", 22, 5985, 445, 7), 1)
    assert words[0].startswith("1. Look at 1 address;")
    assert "by SSH with" in words[1]
    assert "`beta`, on 7 at once" in words[2]
    assert len(onboarding_in_words(Onboarding("auto", "stable", 22, 5985, 445, 5), None)) == 4
