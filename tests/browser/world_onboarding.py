"""Addresses of jobs that look for machines, as their worker leaves them: one for every way to end, and a network of a thousand.

They are written as rows, so that every state is there at once and stays; who waits for approval has really asked.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from tests.factories.machines import Machine
from tests.flows.fleet import Fleet
from watchbill.core.onboarding_states import ONBOARDING_REASONS, OnboardingReason, OnboardingState, counted_as
from watchbill.kit.clock import rfc3339

_S, _R = OnboardingState, OnboardingReason
_DAILY = {"type": "daily", "start": "2026-01-01T04:00", "timezone": "Europe/Berlin"}
_OCCURRENCE = text("""
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, outcome, is_late, job_revision, failure_threshold_percent,
  created_at, opened_at, closed_at)
VALUES (CAST(:id AS uuid), :job_id, 'schedule', :due, '', CASE WHEN :is_open THEN 'open' ELSE 'closed' END,
  CASE WHEN NOT :is_open THEN 'failed' END, false, 1, 0, :due, :due, CASE WHEN NOT :is_open THEN CAST(:end AS timestamptz) END)
""")
_RUN = text("""
INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at,
  no_user_session, interrupted, use_service_account, target_specs)
VALUES (new_run_id(:due), CAST(:id AS uuid), :job_id, 'onboarding', 'none', '[{"kind": "device_onboarding"}]', 900, 'none', :due, 'skip', 'lost',
  false, '[{}]') RETURNING id
""")
_ROW = text("""
INSERT INTO onboarding_targets (run_id, occurrence_id, job_id, site_id, place, key, address, ports, names, entry, state, reason, detail, snippet,
  timeline, platform, hostname, agent_version, credential_name, host_key, device_id, attempt, created_at, started_at, finished_at)
VALUES (:run_id, CAST(:id AS uuid), :job_id, :site_id, :place, :key, CAST(:address AS inet), '{}', :names, :entry, :state, :reason, :detail,
  :snippet, CAST(:timeline AS jsonb), :platform, :hostname, :agent_version, :credential_name, :host_key, CAST(:device_id AS uuid), :attempt,
  :due, :started, :finished) RETURNING id
""")
_COUNT = text("""
INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number) VALUES (CAST(:id AS uuid), :site_id, 1, :state, :number)
""")
_LINK = text("""
WITH asked AS (
  UPDATE enrolment_requests SET onboarding_target_id = :id WHERE hostname = :hostname AND state = 'pending' RETURNING id
)
UPDATE onboarding_targets t SET approval_id = a.id FROM asked a WHERE t.id = :id
""")
_KEY = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDSpUb6IpJkHdO0Q2s"


@dataclass(frozen=True)
class Row:
    """What became of one address."""

    address: str | None
    state: OnboardingState
    reason: OnboardingReason | None = None
    detail: str | None = None
    snippet: str | None = None
    hostname: str | None = None
    names: list[str] = field(default_factory=list)
    entry: str = "10.4.0.0/24"
    device_id: str | None = None

    @property
    def is_entered(self) -> bool:
        return self.state not in (_S.PENDING, _S.SKIPPED, _S.UNREACHABLE, _S.CONNECTING)


_DETAILS = {
    _R.NO_ANSWER: "Nothing answers on 22, 5985, 5986 or 445.",
    _R.NO_WAY_IN: "Port 22 says something that is not SSH: “220 printer FTP server ready.”",
    _R.CREDENTIALS_REFUSED: "Refused: Harbour root key (root), Old installer (setup).",
    _R.HOST_KEY_CHANGED: "It shows SHA256:zT9…, and on 2026-11-02 it was SHA256:uNi….",
    _R.NOT_PERMITTED: "“setup” may not become root: sudo refused it.",
    _R.NO_SPACE: "/opt has 3 MiB left, and the agent needs 96 MiB.",
    _R.NO_EGRESS: "https://engine.harbour.example:8470 cannot be reached from there.",
    _R.CLOCK_OFF: "Its clock is 41 days behind.",
    _R.ALREADY_MANAGED: "The device berth-display answers there.",
    _R.ALREADY_PENDING: "ferry-terminal at this address waits for approval already.",
    _R.NO_PACKAGE: "The branch stable has no agent for linux armv6l; it has linux x86_64.",
    _R.STEP_FAILED: "systemctl enable ended with 1.",
}
_SNIPPETS = {
    _R.NOT_PERMITTED: "[sudo] password for setup: ••••\nsetup is not in the sudoers file.",
    _R.STEP_FAILED: "Failed to enable unit: Unit file watchbill-agent.service is masked.",
    _R.NO_SPACE: "Filesystem     1M-blocks  Used Available Use% Mounted on\n/dev/mmcblk0p2      7384  7381         3 100% /",
}


def every_way(device_id: str) -> list[Row]:
    """A row for every state, and of those that say why for every reason."""
    rows = [
        Row("10.4.0.10", _S.WAITING_APPROVAL, hostname="crane-10"),
        Row("10.4.0.11", _S.WAITING_APPROVAL, hostname="crane-11", names=["crane-11.harbour.example"]),
        Row("10.4.0.12", _S.APPROVED, hostname="crane-01", device_id=device_id),
        Row("10.4.0.13", _S.INSTALLING, hostname="pump-13"),
        Row("10.4.0.14", _S.CONNECTING),
        Row("10.4.0.15", _S.PENDING),
        Row("10.4.0.16", _S.PENDING),
    ]
    for state, reasons in ONBOARDING_REASONS.items():
        for reason in reasons:
            address = None if reason is _R.NAME_NOT_RESOLVED else f"10.4.0.{len(rows) + 20}"
            names = [] if address else ["buoy-9.harbour.example"]
            rows.append(Row(address, state, reason, _DETAILS.get(reason), _SNIPPETS.get(reason), names=names))
    return rows


def _timeline(row: Row, begun: datetime) -> list[dict[str, Any]]:
    """What was done until it ended so."""
    done = [("look", "22 open: SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", 0.4)]
    if row.is_entered:
        done.append(("sign in", "as root, with “Harbour root key”", 1.3))
    if row.state in (_S.WAITING_APPROVAL, _S.APPROVED, _S.INSTALLING, _S.FAILED):
        done += [("space", "31 GiB free in /opt", 0.2), ("upload", "watchbill-agent 0.1.0 for x86_64, 28 MiB", 6.1)]
    if row.state in (_S.WAITING_APPROVAL, _S.APPROVED):
        done += [("verify", "hash and signature are right", 0.9), ("service", "watchbill-agent.service", 1.7)]
        done += [("enrol", f"{row.hostname} has asked to be a device", 2.2)]
    lines, at = [], begun
    for name, detail, seconds in done:
        end = at + timedelta(seconds=seconds)
        times = {"started_at": rfc3339(at), "finished_at": rfc3339(end)}
        lines.append({"task": name, "state": "done", "detail": detail, "snippet": None, **times})
        at = end
    if row.state in (_S.FAILED, _S.AUTH_FAILED):
        lines[-1] |= {"state": "failed", "detail": row.detail, "snippet": row.snippet}
    if row.state is _S.INSTALLING:
        lines[-1] |= {"state": "running", "finished_at": None}
    return lines if row.state not in (_S.PENDING, _S.SKIPPED) else []


async def onboarding_job(fleet: Fleet, name: str, entries: str, **more: Any) -> dict[str, Any]:
    """A saved job that looks for machines at the fleet's site, and has not run."""
    login = {"name": f"{name}: root key", "kind": "ssh", "username": "root", "password": "correct horse battery"}
    credential = await fleet.http.post("/api/credentials", json=login)
    assert credential.status_code == 201, credential.text
    body = {
        "name": name,
        "job_kind": "onboarding",
        "components": [{"kind": "device_onboarding", "platform": "auto"}],
        "targets": [{"kind": "onboarding_scope", "site_id": fleet.site["id"], "entries": entries.splitlines()}],
        "credential_ids": [credential.json()["id"]],
        "schedule": _DAILY,
    }
    made = await fleet.http.post("/api/scheduled_jobs", json=body | more)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def looked(fleet: Fleet, job: dict[str, Any], rows: Sequence[Row]) -> dict[str, int]:
    """An occurrence of the job with these rows; the ids of those that have a host name. Open while one of them is at work."""
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=6)
    is_open = any(row.state in (_S.PENDING, _S.CONNECTING, _S.INSTALLING) for row in rows)
    about = {"id": str(uuid4()), "job_id": job["id"], "site_id": fleet.site["id"], "due": due}
    end = due + timedelta(minutes=3)
    found: dict[str, int] = {}
    async with fleet.db.begin() as tx:
        await tx.execute(_OCCURRENCE, {**about, "is_open": is_open, "end": end})
        run_id = (await tx.execute(_RUN, about)).scalar_one()
        for place, row in enumerate(rows):
            begun = due + timedelta(seconds=place % 90)
            at_work = row.state in (_S.PENDING, _S.CONNECTING, _S.INSTALLING)
            values = {
                **about,
                **asdict(row),
                "run_id": run_id,
                "place": place,
                "key": row.address or row.names[0],
                "timeline": json.dumps(_timeline(row, begun)),
                "platform": "linux" if row.is_entered else None,
                "agent_version": "0.1.0" if row.hostname else None,
                "credential_name": "Harbour root key" if row.is_entered and row.state is not _S.AUTH_FAILED else None,
                "host_key": _KEY if row.is_entered else None,
                "attempt": 0 if row.state is _S.PENDING else 1,
                "started": None if row.state in (_S.PENDING, _S.SKIPPED) else begun,
                "finished": None if at_work else begun + timedelta(seconds=14),
            }
            number = (await tx.execute(_ROW, values)).scalar_one()
            if row.hostname:
                found[row.hostname] = number
        counts = Counter(str(counted_as(row.state, row.reason)) for row in rows)
        for state, number in counts.items():
            await tx.execute(_COUNT, {**about, "state": state, "number": number})
    return found


async def ask(fleet: Fleet, hostname: str, target_id: int) -> None:
    """The machine of an address asks to become a device."""
    reply = await Machine(fleet.http, hostname).enrol(str(fleet.site["enrolment_code"]))
    assert reply.status_code == 202, reply.text
    async with fleet.db.begin() as tx:
        await tx.execute(_LINK, {"id": target_id, "hostname": hostname})


async def onboarded(fleet: Fleet, device_id: str) -> dict[str, Any]:
    """Ids by the names that paths of pictures use."""
    job = await onboarding_job(fleet, "Machines of the harbour offices", "10.4.0.0/26\nbuoy-9.harbour.example")
    ids = await looked(fleet, job, every_way(device_id))
    for name in ("crane-10", "crane-11"):
        await ask(fleet, name, ids[name])
    many = await onboarding_job(fleet, "Whole network of the harbour", "10.8.0.0/22")
    await looked(fleet, many, [_of_many(number) for number in range(1022)])
    new = await onboarding_job(fleet, "Ferry terminal, not looked at yet", "10.9.0.0/28")
    waiting, failed = ids["crane-10"], await _first(fleet, job, "failed")
    names = {"onboarding": job["id"], "onboarding_many": many["id"], "onboarding_new": new["id"]}
    return {**names, "address": waiting, "address_failed": failed}


async def _first(fleet: Fleet, job: dict[str, Any], state: str) -> int:
    found = await fleet.http.get(
        f"/api/onboarding/jobs/{job['id']}/targets", params={"state": state, "reason": "not_permitted"}
    )
    return int(found.json()["items"][0]["id"])


def _of_many(number: int) -> Row:
    address = f"10.8.{number // 256}.{number % 256}"
    if number % 97 == 5:
        return Row(address, _S.APPROVED, hostname=f"host-{number:04}")
    if number % 89 == 7:
        return Row(address, _S.AUTH_FAILED, _R.CREDENTIALS_REFUSED, _DETAILS[_R.CREDENTIALS_REFUSED])
    if number % 61 == 9:
        return Row(address, _S.SKIPPED, _R.ALREADY_MANAGED, _DETAILS[_R.ALREADY_MANAGED])
    return Row(address, _S.UNREACHABLE, _R.NO_ANSWER, _DETAILS[_R.NO_ANSWER])
