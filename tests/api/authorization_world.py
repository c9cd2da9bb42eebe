"""What the authorization matrix is played on: the same things on every side of a site boundary, and everyone who may ask.

Sides: `own` is a site of the callers, `foreign` another one, `siteless` a device of no site, `shared` what reaches the own and the
foreign site, `absent` has ids of nothing. What is foreign or siteless has `HIDDEN_NAME` in its name, and all ids are large numbers or UUIDs, so
that a trace of them in a reply is no accident. Requests are undone: whatever they commit, the next one finds the world as it was.
"""

import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.api.asking import asking, begun_run
from tests.api.authorization_addresses import look
from tests.api.conftest import BASE_URL, Connect
from tests.api.hooks import hooked, placed_hook
from tests.factories import people, places
from tests.factories.machines import Machine
from watchbill import identity, notifications, runs, views, vpn
from watchbill.api import auth
from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.core.occurrence import public_id
from watchbill.core.output_words import as_tsvector
from watchbill.identity import ROLE_PERMISSIONS, Operator, Permission, Role
from watchbill.identity.sessions import actor_of
from watchbill.kit.db import Database
from watchbill.runs import Held, Skipped
from watchbill.runs.tables import executions, output_chunks, output_texts, run_targets
from watchbill.views.reading import ViewDraft

SIDES = ("own", "foreign", "siteless", "shared", "absent")
#: What `limited` has lost of the permissions of its role.
DENIED = frozenset({Permission.RUN_AS_SYSTEM, Permission.ASSEMBLIES_WRITE})
#: Ids of each table begin far from those of others.
_FIRST = {"sites": 4_100_001, "jobs": 4_200_001, "windows": 4_300_001, "operators": 4_400_001, "api_tokens": 4_500_001,
          "run_targets": 4_600_001, "onboarding_targets": 4_650_001, "outages": 4_700_001, "device_filters": 4_800_001,
          "credentials": 5_400_001, "notification_channels": 5_100_001, "notification_rules": 5_200_001, "notifications": 5_300_001, "webhooks": 5_500_001}  # fmt: skip
HIDDEN_NAME = "zqzq"
#: Whom the credential of the own site signs in as.
OWN_LOGIN = "login-value-own"


@dataclass(frozen=True)
class Things:
    """The ids of one side, by the names that paths give them; None = there is no such thing on this side."""

    site_id: int | None = None
    device_id: str | None = None
    job_id: int | None = None
    job_name: str = "Sweep nothing"
    occurrence: str | None = None
    held: str | None = None
    run_id: int | None = None
    target_id: int | None = None
    execution_id: str | None = None
    window_id: int | None = None
    #: On all sides but `siteless`: a filter that may find devices of no site is seen by everybody.
    filter_id: int | None = None
    field_id: int | None = None
    channel_id: int | None = None
    rule_id: int | None = None
    notification_id: int | None = None
    #: A value for the device of this side.
    variable_id: int | None = None
    variable_name: str = "FRESH"
    #: Of the site of this side; the shared one is for every site. There is none for devices of no site alone.
    credential_id: int | None = None
    #: Of the operator alone.
    view_id: int | None = None
    approval_id: str | None = None
    operator_id: int | None = None
    token_id: int | None = None
    assembly_id: str | None = None
    #: The script of this side's job, and of no other.
    script_id: str | None = None
    script_name: str = ""
    #: What is attached to every script, and another stored content.
    file_name: str = "tool.bin"
    file_sha256: str = hashlib.sha256(b"tool").hexdigest()
    other_sha256: str = hashlib.sha256(b"other").hexdigest()
    own_device_id: str | None = None
    spare_id: str | None = None
    revision: int | None = None
    outage_id: int | None = None
    #: A job that looks for machines, and an address of it.
    looking_id: int | None = None
    address_id: int | None = None
    enrolment_id: str | None = None
    #: A workflow that everybody sees, and a webhook of it: of the site of this side, the shared one for every site.
    hooked_id: str | None = None
    webhook_id: int | None = None
    #: A run of a workflow that asks a person, for the site of this side or, the shared one, for every site; and the node that asks.
    workflow_run_id: int | None = None
    asking_node: str = "ask"

    def ids(self) -> set[str]:
        return {str(getattr(self, one.name)) for one in fields(self) if getattr(self, one.name) is not None}


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: headers and cookies, what they may do, and whether they see every site."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: None = nobody that the API knows: 401.
    permissions: frozenset[Permission] | None = None
    sees_all: bool = False
    has_session: bool = False


@dataclass
class World:
    """`hidden`: everything that only those who see every site may read a word of. `secrets`: what needs a permission too."""

    sides: dict[str, Things]
    callers: dict[str, Caller]
    hidden: set[str]
    secrets: dict[Permission, set[str]]
    #: What may stand in a body that everyone sends.
    code: str


class _Undone(psycopg.AsyncConnection[Any]):
    """One transaction for all that a request commits, and a way back to before it."""

    is_undoing = False

    async def begin(self) -> None:
        self.is_undoing = True
        await self.execute("SAVEPOINT request")

    async def commit(self) -> None:
        if not self.is_undoing:
            await super().commit()
            return
        await self.execute("RELEASE SAVEPOINT request")
        await self.execute("SAVEPOINT request")

    async def rollback(self) -> None:
        if not self.is_undoing:
            await super().rollback()
            return
        await self.execute("ROLLBACK TO SAVEPOINT request")

    async def undo(self) -> None:
        self.is_undoing = False
        await super().rollback()


class UndoingDatabase(Database):
    """The real database through one connection, whose commits last until `undone` ends."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._connection: _Undone | None = None
        self.engine = create_async_engine(
            self.url, async_creator=self._connect, pool_size=1, max_overflow=0, pool_timeout=5
        )

    async def _connect(self, *_: Any, **__: Any) -> _Undone:
        self._connection = await _Undone.connect(self.conninfo, options="-c timezone=UTC -c jit=off")
        return self._connection

    @asynccontextmanager
    async def undone(self) -> AsyncIterator[None]:
        if self._connection is None:
            async with self.engine.connect():
                pass
        assert self._connection is not None
        await self._connection.begin()
        try:
            yield
        finally:
            await self._connection.undo()


class Stage:
    """The application over an undoing database, and one client for all callers."""

    def __init__(self, deps: Deps) -> None:
        self.db = UndoingDatabase(deps.db.conninfo)
        self.app: FastAPI = create_app(replace(deps, db=self.db))
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.1", 40_000), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    async def ask(self, caller: Caller, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = {**caller.headers, **sent.pop("headers", {})}
        async with self.db.undone():
            self.client.cookies.clear()
            return await self.client.request(method, path, headers=headers, **sent)

    async def close(self) -> None:
        await self.client.aclose()
        await self.db.close()


# --- making it -----------------------------------------------------------------------------------------------------------


async def build(deps: Deps, client_of: Callable[[Operator], Awaitable[httpx.AsyncClient]], connect: Connect) -> World:
    """Everything on every side, through the API as an admin makes it; `client_of` signs somebody in."""
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        for table, first in _FIRST.items():
            place = {"table": table, "first": first}
            await tx.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :first)"), place)
        await tx.execute(text("SELECT setval('variable_ids', 4900001)"))
        own_site = await places.make_site(tx, "Harbour of ours", now=now, keys=deps.keys)
        foreign_site = await places.make_site(tx, f"{HIDDEN_NAME} Lighthouse", now=now, keys=deps.keys)
        admin = await people.make_operator(tx, "astrid", Role.ADMIN, now=now)
        staff = {
            role: await people.make_operator(tx, name, kind, now=now, site_ids=(own_site,))
            for role, name, kind in (
                ("viewer", "valerie", Role.VIEWER),
                ("operator", "oscar", Role.OPERATOR),
                ("limited", "lena", Role.OPERATOR),
            )
        }
    maker = _Maker(deps, await client_of(admin), own_site, foreign_site)
    await maker.make(await connect(), staff["limited"].id)
    callers = await maker.callers(admin, staff)
    return World(maker.sides, callers, await maker.hidden(), maker.secrets, maker.code)


@dataclass
class _Maker:
    deps: Deps
    http: httpx.AsyncClient
    own_site: int
    foreign_site: int
    sides: dict[str, Things] = field(default_factory=dict)
    secrets: dict[Permission, set[str]] = field(default_factory=dict)
    code: str = ""
    machine: Machine | None = None

    async def post(self, path: str, body: Any = None) -> Any:
        reply = await self.http.post(path, json=body)
        assert reply.is_success, (path, reply.text)
        return reply.json()

    async def make(self, anonymous: httpx.AsyncClient, limited: int) -> None:
        denied = {"denied_permissions": sorted(DENIED)}
        assert (await self.http.patch(f"/api/operators/{limited}", json=denied)).is_success
        for content in ("tool", "other"):
            assert (await self.http.post("/api/assembly_files", content=content)).status_code == 201
        spare = (await self.post("/api/assemblies", script("Spare") | WITH_FILE))["id"]
        field_id = (await self.post("/api/custom_fields", {"name": "rack", "label": "Rack", "type": "text"}))["id"]
        shared_by_all: dict[str, Any] = {
            "assembly_id": spare,
            "revision": 1,
            "outage_id": await self._outage(),
            "field_id": field_id,
        }
        hooked_id = (await self.post("/api/assemblies", hooked()))["id"]
        asking_id = (await self.post("/api/assemblies", asking()))["id"]
        own = await self._enrolled(anonymous, self.own_site, "crane")
        foreign = await self._enrolled(anonymous, self.foreign_site, f"{HIDDEN_NAME}-lamp")
        loner = await self._loner()
        await self._tunnels(own.device_id, foreign.device_id, loner)
        for name, devices, attached in (
            ("own", [own.device_id], [site(self.own_site)]),
            ("foreign", [foreign.device_id], [site(self.foreign_site)]),
            ("siteless", [loner], [device(loner)]),
            ("shared", [own.device_id, foreign.device_id], [site(self.own_site), site(self.foreign_site)]),
        ):
            hidden = name in ("foreign", "siteless")
            made = await self._work(f"{HIDDEN_NAME} {name}" if hidden else name, devices, attached)
            known = {"own": own, "foreign": foreign, "siteless": Things(device_id=loner)}.get(name, own)
            if name == "shared":
                known = Things(device_id=own.device_id)
            called = f"{HIDDEN_NAME}_{name}" if hidden else f"value_{name}"
            value = {"name": called, "value": called, "device_id": devices[0], "is_secret": name == "own"}
            variable_id = (await self.post("/api/variables", value))["id"]
            body = credential_body(called, known.site_id)
            login: Any = await self.post("/api/credentials", body) if name != "siteless" else {}
            self.sides[name] = replace(
                made,
                credential_id=login.get("id"),
                variable_id=variable_id,
                variable_name=called,
                **shared_by_all,
                **await look(self, called, known.site_id),
                **await placed_hook(self, hooked_id, called, known.site_id),
                **({} if name == "siteless" else await begun_run(self, asking_id, known.site_id)),
                **{k: getattr(known, k) for k in ("site_id", "device_id", "approval_id")},
            )
        nothing = str(uuid.UUID(int=2**127))
        ids: dict[str, Any] = {one.name: 999_999_999 if "int" in str(one.type) else nothing for one in fields(Things)}
        self.secrets[Permission.CREDENTIALS_WRITE] = {OWN_LOGIN}
        self.sides["absent"] = Things(**ids | {"job_name": "Sweep nothing"})
        self.sides = {
            name: replace(one, own_device_id=own.device_id, spare_id=spare) for name, one in self.sides.items()
        }

    async def _enrolled(self, anonymous: httpx.AsyncClient, site_id: int, name: str) -> Things:
        """A device that is really enrolled, and another machine that waits for approval."""
        self.code = (await self.http.get(f"/api/sites/{site_id}")).json()["enrolment_code"]
        if site_id == self.own_site:
            self.secrets[Permission.APPROVALS_DECIDE] = {self.code}
        machine = Machine(anonymous, name)
        asked = (await machine.enrol(self.code)).json()["enrolment_id"]
        made = await self.post(f"/api/device_approvals/{asked}/approve")
        waiting = (await Machine(anonymous, f"{name}-new").enrol(self.code)).json()["enrolment_id"]
        if site_id == self.own_site:
            self.machine = machine
        return Things(site_id=site_id, device_id=made["device_id"], approval_id=waiting, enrolment_id=waiting)

    async def _tunnels(self, *device_ids: str | None) -> None:
        """Each device has told of one."""
        none = vpn.TunnelReported(None, vpn.TunnelState.UNAVAILABLE, "no tools")
        told = {uuid.UUID(one): none for one in device_ids if one}
        async with self.deps.db.begin() as tx:
            await vpn.note_reported(tx, told, await self.deps.clock.now(tx))

    async def _loner(self) -> str:
        async with self.deps.db.begin() as tx:
            return str(await places.make_device(tx, f"{HIDDEN_NAME}-loner", None, now=await self.deps.clock.now(tx)))

    async def _outage(self) -> int:
        async with self.deps.db.begin() as tx:
            now = await self.deps.clock.now(tx)
            row = {"a": now - timedelta(hours=2), "b": now - timedelta(hours=1), "n": now - timedelta(hours=1)}
            insert_ = (
                "INSERT INTO outages (kind, from_at, to_at, noticed_at) VALUES ('outage', :a, :b, :n) RETURNING id"
            )
            return int((await tx.execute(text(insert_), row)).scalar_one())

    async def _work(self, name: str, devices: list[Any], attached: list[Any]) -> Things:
        """A job with a script of its own, which ran with output, and one occurrence that is held; a window."""
        script_name = f"Script of {name.removeprefix(f'{HIDDEN_NAME} ')}"
        used = (await self.post("/api/assemblies", script(script_name) | WITH_FILE))["id"]
        body = job(used, devices, f"Sweep {name}")
        made = await self.post("/api/scheduled_jobs", body)
        ran = await self.post(f"/api/scheduled_jobs/{made['id']}/rerun", {"targets": "all"})
        history = (await self.http.get(f"/api/scheduled_jobs/{made['id']}/runs")).json()["items"]
        run_id = history[0]["runs"][0]["id"]
        window = await self.post("/api/windows", window_body(f"Window {name}", attached))
        placed = [one["site_id"] for one in attached if one["kind"] == "site"]
        saved = await self.post("/api/device_filters", filter_body(f"Filter {name}", placed)) if placed else {}
        told = await self._told(name, made["id"], placed)
        async with self.deps.db.begin() as tx:
            held = await self._held(tx, made["id"])
            ids = [await self._executed(tx, run_id, one, f"{name} output") for one in devices]
        return Things(job_id=made["id"], job_name=body["name"], occurrence=ran["id"], held=held, run_id=run_id, target_id=ids[0][1],
                      execution_id=ids[0][0], window_id=window["id"], script_id=used, filter_id=saved.get("id"),
                      script_name=script_name, **told)  # fmt: skip

    async def _told(self, name: str, job_id: int, placed: list[Any]) -> dict[str, Any]:
        """A channel for the sites, a rule of the job, and what it told of an instant that was skipped."""
        channel = await self.post("/api/notification_channels", channel_body(f"Channel {name}", placed))
        rule = await self.post(f"/api/scheduled_jobs/{job_id}/notifications", rule_body(channel["id"]))
        async with self.deps.db.begin() as tx:
            now = await self.deps.clock.now(tx)
            at = (now - timedelta(days=3)).replace(second=0, microsecond=0)
            skipped = Skipped(public_id(job_id, "schedule", at, ""), job_id, 1, at, "overlap")
            await runs.record_skipped(tx, [skipped], now)
            await notifications.look(tx, now)
            query = text("SELECT max(id) FROM notifications WHERE rule_id = :rule")
            told = (await tx.execute(query, {"rule": rule["id"]})).scalar_one()
        return {"channel_id": channel["id"], "rule_id": rule["id"], "notification_id": int(told)}

    async def _held(self, tx: AsyncConnection, job_id: int) -> str:
        now = await self.deps.clock.now(tx)
        at = (now - timedelta(minutes=90)).replace(second=0, microsecond=0)
        one = Held(public_id(job_id, "schedule", at, ""), job_id, 1, at, "misfire_hold", "late")
        await runs.record_held(tx, [one], now)
        return str(one.id)

    async def _executed(self, tx: AsyncConnection, run_id: int, device_id: str, output: str) -> tuple[str, int]:
        now = await self.deps.clock.now(tx)
        wanted = (run_targets.c.run_id == run_id, run_targets.c.device_id == uuid.UUID(device_id))
        target = (await tx.execute(select(run_targets.c.id, run_targets.c.site_id).where(*wanted))).one()
        row = {"id": uuid.uuid4(), "target_id": target.id, "run_id": run_id, "device_id": uuid.UUID(device_id),
               "site_id": target.site_id, "component": 0, "attempt": 1, "term": 1, "state": "running", "start_by_at": now,
               "dispatched_at": now, "started_at": now, "stdout_bytes": len(output), "stderr_bytes": 0,
               "stored_bytes": len(output), "truncated": False,
               "output_hash": sha256(f"{output} of {device_id}".encode()).digest()}  # fmt: skip
        await tx.execute(insert(executions).values(row))
        chunk = {"run_id": run_id, "execution_id": row["id"], "stream": 1, "at_offset": 0, "data": output.encode()}
        await tx.execute(insert(output_chunks).values(chunk))
        words = {"run_id": run_id, "hash": row["output_hash"], "stdout": output, "stderr": ""}
        await tx.execute(insert(output_texts).values(**words, words=as_tsvector([("stdout", output)])))
        return str(row["id"]), int(target.id)

    async def callers(self, admin: Operator, staff: Mapping[str, Operator]) -> dict[str, Caller]:
        assert self.machine is not None
        agent = (await self.machine.token(self.sides["own"].device_id or "")).json()["token"]
        found = {"anonymous": Caller("anonymous"), "agent": Caller("agent", _bearer(agent))}
        async with self.deps.db.begin() as tx:
            now = await self.deps.clock.now(tx)
            for name, account in {**staff, "admin": admin}.items():
                session = await people.sign_in(tx, account, now=now)
                headers = {"Cookie": f"{auth.COOKIE}={session.token}", auth.CSRF_HEADER: session.csrf_token}
                may = ROLE_PERMISSIONS[account.role] - (DENIED if name == "limited" else frozenset())
                found[name] = Caller(name, headers, may, sees_all=name == "admin", has_session=True)
            tokens = [await self._token(tx, staff["operator"], name) for name in ("reader", "other")]
        found["reader"] = Caller("reader", _bearer(tokens[0][1]), frozenset({Permission.READ}))
        accounts: dict[str, Any] = {"operator_id": staff["viewer"].id, "token_id": tokens[1][0]}
        accounts["view_id"] = await self._view(staff["operator"])
        for name in ("own", "foreign", "siteless", "shared"):
            self.sides[name] = replace(self.sides[name], **accounts)
        # The last event of all, and one that every caller sees.
        await self.post(f"/api/scheduled_jobs/{self.sides['own'].job_id}/toggle", {"enabled": False, "reason": "last"})
        return found

    async def _view(self, account: Operator) -> int:
        async with self.deps.db.begin() as tx:
            draft = ViewDraft("Mine", "jobs", {}, None, is_shared=False)
            return (await views.create(tx, actor_of(account, None), draft, now=await self.deps.clock.now(tx))).id

    async def _token(self, tx: AsyncConnection, account: Operator, name: str) -> tuple[int, str]:
        now = await self.deps.clock.now(tx)
        session = await people.sign_in(tx, account, now=now)
        sign_in = await identity.by_session(tx, session.token, remote_addr=None, now=now)
        assert sign_in is not None
        made = await identity.create_api_token(
            tx, sign_in, name=name, scopes=[Permission.READ], expires_at=None, now=now
        )
        return made.token.id, made.text.reveal()

    async def hidden(self) -> set[str]:
        """Ids of what is foreign or siteless: also of its targets and executions within what is shared."""
        names = ("site_id", "device_id", "job_id", "occurrence", "held", "run_id", "execution_id", "window_id", "filter_id", "approval_id",
                 "channel_id", "rule_id", "notification_id", "credential_id", "looking_id", "address_id", "webhook_id", "workflow_run_id")  # fmt: skip
        found = {str(getattr(self.sides[side], name)) for side in ("foreign", "siteless") for name in names} - {"None"}
        query = text("""
            SELECT t.id::text FROM run_targets t WHERE t.site_id <> :own UNION ALL
            SELECT e.id::text FROM executions e WHERE e.site_id <> :own""")
        async with self.deps.db.begin() as tx:
            return found | set((await tx.execute(query, {"own": self.own_site})).scalars())


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- bodies --------------------------------------------------------------------------------------------------------------


def site(site_id: int | None) -> dict[str, Any]:
    return {"kind": "site", "site_id": site_id}


def device(device_id: str | None) -> dict[str, Any]:
    return {"kind": "device", "device_id": device_id}


WITH_FILE = {"files": [{"name": Things.file_name, "sha256": Things.file_sha256}]}


def script(name: str, content: str = "true") -> dict[str, Any]:
    return {"name": name, "interpreter": "bash", "content": content}


def job(assembly_id: str | None, devices: list[str | None], name: str = "Sweep new") -> dict[str, Any]:
    return {
        "name": name,
        "components": [{"assembly_id": assembly_id}],
        "targets": [device(one) for one in devices],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "UTC"},
    }


def window_body(name: str, attached: list[dict[str, Any]]) -> dict[str, Any]:
    """It opens days from now, whenever the tests run: an open one would stop the runs that come after it."""
    begins = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT02:00")
    weekly = {"type": "weekly", "start": begins, "timezone": "UTC"}
    spans = [{"schedule": weekly, "duration_seconds": 7200}]
    return {"name": name, "kind": "deny", "spans": spans, "attachments": attached}


def filter_body(name: str, site_ids: list[Any]) -> dict[str, Any]:
    criteria = {"field": "os_family", "operator": "is", "value": "linux"}
    return {"name": name, "criteria": criteria, "site_mode": "only", "site_ids": site_ids}


def channel_body(name: str, site_ids: list[Any]) -> dict[str, Any]:
    """It leads to no address that may be sent to, so that trying it out costs nothing."""
    return {"kind": "webhook", "name": name, "url": "https://192.0.2.1/hook", "site_ids": site_ids or None}


def credential_body(name: str, site_id: int | None) -> dict[str, Any]:
    login = "login-" + name.replace("_", "-")
    return {"name": name, "kind": "ssh", "username": login, "password": "known to nobody", "site_id": site_id}


def rule_body(channel_id: int | None) -> dict[str, Any]:
    return {"events": ["failed", "skipped"], "channel_ids": [channel_id]}
