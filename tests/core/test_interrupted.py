"""What becomes of a device whose worker died is a question of playbooks alone."""

from tests.core.test_job_rules import found, job


def test_only_a_playbook_may_be_run_again_after_its_worker_died():
    assert ("policies.interrupted", "not_allowed") in found(job(policies={"interrupted": "again"}))
