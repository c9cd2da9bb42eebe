"""A job that looks for machines, and an address that it found, for each side of the authorization matrix that has a site."""

from typing import Any, Protocol

from sqlalchemy import text

from watchbill.api.common import Deps


class Maker(Protocol):
    deps: Deps

    async def post(self, path: str, body: Any = None) -> Any: ...


def looking(name: str, site_id: int | None, credential_id: int | None) -> dict[str, Any]:
    """Such a job as a body."""
    return {
        "name": f"Look {name}",
        "job_kind": "onboarding",
        "components": [{"kind": "device_onboarding"}],
        "targets": [{"kind": "onboarding_scope", "site_id": site_id, "entries": ["10.4.0.1-9"]}],
        "credential_ids": [credential_id],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00"},
    }


async def look(maker: Maker, name: str, site_id: int | None) -> dict[str, Any]:
    """Save it with a credential of its own, begin an occurrence, and find one address; nothing where there is no site."""
    if site_id is None:
        return {}
    login = {
        "name": f"Way in of {name}",
        "kind": "ssh",
        "site_id": site_id,
        "username": "root",
        "password": "let-me-in-now",
    }
    made = await maker.post("/api/credentials", login)
    job = await maker.post("/api/scheduled_jobs", looking(name, site_id, made["id"]))
    begun = await maker.post(f"/api/onboarding/jobs/{job['id']}/redeploy", {"targets": "all"})
    row = text("""
        INSERT INTO onboarding_targets (run_id, occurrence_id, job_id, site_id, place, key, address, ports, names, entry, state, reason,
          created_at) SELECT r.id, r.occurrence_id, r.job_id, :site, 0, '10.4.0.1', '10.4.0.1', '{}', '{}', '10.4.0.1-9', 'unreachable',
          'no_answer', r.created_at FROM runs r WHERE r.occurrence_id = CAST(:occurrence AS uuid) RETURNING id""")
    async with maker.deps.db.begin() as tx:
        target = (await tx.execute(row, {"site": site_id, "occurrence": begun["id"]})).scalar_one()
    return {"looking_id": job["id"], "address_id": int(target)}
