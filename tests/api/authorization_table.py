"""The table of the authorization matrix: for every route what it needs, what it names, and a body that is right.

A new route is a row here; the matrix says which is missing. `route` is method and path as in the OpenAPI document. What the path
names (`names`) is seen or not, by the caller's sites: not seen = 404, seen and not allowed = 403. Where a body or a query names it, say
so by `is_in_path=False`, and what the answer is to somebody who may ask but does not see it by `unseen`. A route may have several
rows, one for each thing that its body can name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

from tests.api.authorization_world import (
    HIDDEN_NAME,
    SIDES,
    Things,
    device,
    filter_body,
    job,
    script,
    site,
    window_body,
)
from tests.factories.people import PASSWORD
from watchbill.identity import Permission

P = Permission


class Who(Enum):
    """Whom a route is for."""

    SIGNED_IN = auto()
    ANYONE = auto()
    #: Machines with a proof of their own in the body: who else sends it makes no difference.
    AGENTS = auto()


@dataclass(frozen=True)
class Kind:
    """What a request names: on which sides there is such a thing, and on which it is seen by who sees the own site only."""

    sides: tuple[str, ...]
    seen: tuple[str, ...] = ("own",)
    #: Also who sees every site does not find the others: they are not what is asked for.
    is_for_all: bool = False
    #: Who finds it at all; None = everybody.
    owners: tuple[str, ...] | None = None


_WORK = ("own", "shared")
_PLACED = ("own", "foreign", "absent")
SITE, APPROVAL = Kind(_PLACED), Kind(_PLACED)
DEVICE = Kind(("own", "foreign", "siteless", "absent"))
#: Jobs with all that belongs to them, and windows.
WORK = Kind(SIDES, _WORK)
#: One for devices of no site alone there cannot be.
FILTER = Kind(("own", "foreign", "shared", "absent"), _WORK)
#: An occurrence under the path of a job: also one of another job, which is not there.
OCCURRENCE = Kind((*SIDES, "crossed"), _WORK)
#: A device of the last occurrence of the own job.
MEMBER = Kind(("own", "foreign", "siteless", "absent"), is_for_all=True)
#: Belongs to no site, so whoever may read sees it.
COMMON = Kind(("own", "absent"))
#: Of an account: those of others are seen by who manages accounts.
TOKEN = Kind(("own", "absent"), owners=("operator", "reader", "admin"))
#: Of the operator alone, as long as it is not shared: an admin does not see it either.
VIEW = Kind(("own", "absent"), owners=("operator", "reader"))
#: A script by the job that takes each new revision of it: also one of the own site is changed only with all that it runs as.
USED = Kind(("own", "foreign", "siteless", "shared"))


Body = Callable[[Things], Any]


@dataclass(frozen=True)
class Row:
    """`ok` is the status for who may; `spans` for who may, but sees only a part of what is named (None = as `ok`)."""

    route: str
    needs: tuple[Permission, ...] = ()
    names: Kind | None = None
    body: Body | None = None
    query: Callable[[Things], dict[str, Any]] | None = None
    ok: int = 200
    is_in_path: bool = True
    unseen: int = 404
    spans: int | None = None
    who: Who = Who.SIGNED_IN
    #: The whole resource is for those with the permission: to others it is 403, whether the thing is there or not.
    is_closed: bool = False
    is_for_every_site: bool = False
    needs_session: bool = False
    content_type: str = "application/json"
    #: Path parameters that are named otherwise in `Things`.
    path_as: tuple[tuple[str, str], ...] = ()
    #: Whose ids the path has where something else names what is asked for: `own`, or those of the `side`.
    path_of: Literal["own", "side"] = "own"
    is_stream: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    #: Asked once what is named is seen, by what that is.
    asks: tuple[Permission, ...] = ()


READ, RUN = (P.READ,), (P.JOBS_RUN,)
START = (P.JOBS_RUN, P.RUN_AS_SYSTEM)
_RELEASE = "POST /api/outages/{outage_id}/release"
SAVE, HELD = (P.JOBS_WRITE, P.RUN_AS_SYSTEM), (("occurrence", "held"),)
_BARE: Body = lambda _: {}  # noqa: E731 - one of many bodies
JOBS, JOB = "/api/scheduled_jobs", "/api/scheduled_jobs/{job_id}"
OF_JOB = f"{JOB}/occurrences/{{occurrence}}"
_CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:20300101T020000Z\r\nDTEND:20300101T040000Z\r\nSUMMARY:Works\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def _yaml(things: Things, name: str = "Sweep filed") -> str:
    return (
        f"name: {name}\ncomponents:\n  - assembly_id: {things.spare_id}\n"
        f"targets:\n  - kind: device\n    device_id: {things.device_id}\n"
        "schedule:\n  type: daily\n  start: 2026-01-01T03:00\n  timezone: UTC\n"
    )


def _named_as(things: Things) -> str:
    """A new job of the own device that has the name of another."""
    return _yaml(things, things.job_name).replace(str(things.device_id), str(things.own_device_id))


def _found(query: Callable[[Things], dict[str, Any]], kind: Kind, route: str) -> Row:
    """A list that is asked for what is of a thing: of one unseen there is nothing to tell."""
    return Row(route, READ, kind, query=query, is_in_path=False, unseen=200)


def _listed(route: str, needs: tuple[Permission, ...] = READ, **more: Any) -> Row:
    return Row(route, needs, query=lambda _: {"limit": 500}, **more)


def _field(name: str) -> dict[str, Any]:
    return {"name": name, "label": "Where it stands", "type": "text"}


def _value(name: str = "FRESH", **place: Any) -> dict[str, Any]:
    return {"name": name, "value": "some", **place}


_GIVE = (P.VARIABLES_WRITE,)


def _in_body(
    route: str, needs: tuple[Permission, ...], kind: Kind, body: Body, *, ok: int = 200, unseen: int = 422
) -> Row:
    return Row(route, needs, kind, body, ok=ok, is_in_path=False, unseen=unseen)


def _decided(action: str, *asks: P) -> Row:
    def body(it: Things) -> dict[str, Any]:
        return {"jobs": [it.job_id], "action": action}

    return Row(_RELEASE, RUN, WORK, body, is_in_path=False, unseen=422, spans=403, asks=asks)


def _denied(it: Things) -> dict[str, Any]:
    return {"ids": [it.approval_id], "decision": "deny"}


_KEEP, _DECIDE = (P.DEVICES_WRITE,), (P.APPROVALS_DECIDE,)
_VIEW = {"name": "Another", "screen": "jobs"}

PEOPLE = (
    Row("GET /healthz", who=Who.ANYONE),
    Row("GET /readyz", who=Who.ANYONE),
    Row("GET /{path:console_path}", who=Who.ANYONE),
    Row("GET /api/docs", who=Who.ANYONE),
    Row("GET /api/openapi.json", who=Who.ANYONE),
    # A wrong password: that of nobody costs as much time as a right one, and is the same for everyone who sends it.
    Row("POST /api/session", who=Who.ANYONE, body=lambda _: {"username": "valerie", "password": "x"}, ok=401),
    Row("GET /metrics", READ),
    Row("GET /api/events", READ, is_stream=True),
    Row("GET /api/session"),
    Row("DELETE /api/session", ok=204),
    Row(
        "POST /api/session/password",
        body=lambda _: {"current_password": PASSWORD, "new_password": "another phrase of words"},
        needs_session=True,
    ),
    _listed("GET /api/operators", (P.OPERATORS_WRITE,)),
    Row(
        "POST /api/operators",
        (P.OPERATORS_WRITE,),
        body=lambda _: {"username": "nora", "password": "a wholly new phrase", "role": "viewer"},
        ok=201,
    ),
    Row("GET /api/operators/{operator_id}", (P.OPERATORS_WRITE,), COMMON, is_closed=True),
    Row(
        "PATCH /api/operators/{operator_id}",
        (P.OPERATORS_WRITE,),
        COMMON,
        lambda _: {"display_name": "Vera"},
        is_closed=True,
    ),
    Row("DELETE /api/operators/{operator_id}", (P.OPERATORS_WRITE,), COMMON, ok=204, is_closed=True),
    _listed("GET /api/api_tokens", ()),
    Row("GET /api/api_tokens", (P.OPERATORS_WRITE,), query=lambda _: {"all": True}),
    Row("POST /api/api_tokens", body=lambda _: {"name": "one", "scopes": ["read"]}, ok=201, needs_session=True),
    Row("DELETE /api/api_tokens/{token_id}", (), TOKEN, ok=204, needs_session=True),
    _listed("GET /api/audit", (P.AUDIT_READ,)),
    _listed("GET /api/views"),
    Row("POST /api/views", READ, body=lambda _: _VIEW, ok=201),
    Row("GET /api/views/{view_id}", READ, VIEW),
    Row("PUT /api/views/{view_id}", READ, VIEW, lambda _: _VIEW),
    Row("DELETE /api/views/{view_id}", READ, VIEW, ok=204),
)

PLACES = (
    _listed("GET /api/sites"),
    Row("GET /api/sites", READ, query=lambda _: {"q": HIDDEN_NAME}),
    Row("POST /api/sites", (P.SITES_WRITE,), body=lambda _: {"name": "Pier"}, ok=201),
    Row("GET /api/sites/{site_id}", READ, SITE),
    Row("PATCH /api/sites/{site_id}", (P.SITES_WRITE,), SITE, lambda _: {"description": "new"}),
    Row("DELETE /api/sites/{site_id}", (P.SITES_WRITE,), SITE, ok=409),
    Row("POST /api/sites/{site_id}/enrolment_code", (P.APPROVALS_DECIDE,), SITE),
    Row("POST /api/sites/{site_id}/auto_approval", (P.APPROVALS_DECIDE,), SITE, lambda _: {"minutes": 5}),
    _listed("GET /api/devices"),
    Row("GET /api/devices", READ, query=lambda _: {"q": HIDDEN_NAME, "sort": "-last_seen"}),
    _found(lambda it: {"site_id": it.site_id}, SITE, "GET /api/devices"),
    Row("GET /api/devices/{device_id}", READ, DEVICE),
    Row("PATCH /api/devices/{device_id}", (P.DEVICES_WRITE,), DEVICE, lambda _: {"description": "new"}),
    _in_body("PATCH /api/devices/{device_id}", _KEEP, SITE, lambda it: {"site_id": it.site_id}),
    Row("POST /api/devices/{device_id}/disable", (P.DEVICES_WRITE,), DEVICE),
    Row("POST /api/devices/{device_id}/enable", (P.DEVICES_WRITE,), DEVICE),
    Row("POST /api/devices/{device_id}/revoke", (P.DEVICES_WRITE,), DEVICE),
    Row("GET /api/devices/{device_id}/executions", READ, DEVICE),
    Row("PUT /api/devices/{device_id}/tags", (P.DEVICES_WRITE,), DEVICE, lambda _: {"tags": ["web"]}),
    _in_body("POST /api/devices/tags", _KEEP, DEVICE, lambda it: {"device_ids": [it.device_id], "add": ["web"]}),
    Row(
        "PUT /api/devices/{device_id}/custom_values", (P.DEVICES_WRITE,), DEVICE, lambda _: {"values": {"rack": "B-12"}}
    ),
    Row("GET /api/custom_fields", READ),
    Row("POST /api/custom_fields", (P.CUSTOM_FIELDS_WRITE,), body=lambda _: _field("floor"), ok=201),
    Row("GET /api/custom_fields/{field_id}", READ, COMMON),
    Row("PUT /api/custom_fields/{field_id}", (P.CUSTOM_FIELDS_WRITE,), COMMON, lambda _: _field("rack")),
    Row("DELETE /api/custom_fields/{field_id}", (P.CUSTOM_FIELDS_WRITE,), COMMON),
    _listed("GET /api/variables"),
    _found(lambda it: {"site_id": it.site_id}, SITE, "GET /api/variables"),
    _found(lambda it: {"device_id": it.device_id}, DEVICE, "GET /api/variables"),
    Row("POST /api/variables", _GIVE, body=lambda _: _value(), ok=201, is_for_every_site=True),
    _in_body("POST /api/variables", _GIVE, SITE, lambda it: _value(site_id=it.site_id), ok=201),
    _in_body("POST /api/variables", _GIVE, DEVICE, lambda it: _value(device_id=it.device_id), ok=201),
    Row("GET /api/variables/{variable_id}", READ, DEVICE),
    Row("PUT /api/variables/{variable_id}", _GIVE, DEVICE, lambda it: _value(it.variable_name, device_id=it.device_id)),
    Row("DELETE /api/variables/{variable_id}", _GIVE, DEVICE, ok=204),
    _listed("GET /api/device_approvals"),
    _found(lambda it: {"site_id": it.site_id}, SITE, "GET /api/device_approvals"),
    Row("GET /api/device_approvals/refused_codes", (P.APPROVALS_DECIDE,), is_for_every_site=True),
    _in_body("POST /api/device_approvals/bulk", _DECIDE, APPROVAL, _denied, unseen=200),
    Row("GET /api/device_approvals/{approval_id}", READ, APPROVAL),
    Row("POST /api/device_approvals/{approval_id}/approve", (P.APPROVALS_DECIDE,), APPROVAL),
    Row("POST /api/device_approvals/{approval_id}/deny", (P.APPROVALS_DECIDE,), APPROVAL),
)

_SCRIPTS, _SCRIPT = "/api/assemblies", "/api/assemblies/{assembly_id}"
_WRITE = (P.ASSEMBLIES_WRITE,)
CATALOGUE = (
    _listed(f"GET {_SCRIPTS}"),
    Row(f"POST {_SCRIPTS}", _WRITE, body=lambda _: script("Fresh"), ok=201),
    Row(
        f"POST {_SCRIPTS}/import",
        _WRITE,
        body=lambda _: "name: Filed\nkind: script\ninterpreter: bash\ncontent: 'true'\n",
        ok=201,
        content_type="text/yaml",
    ),
    Row(f"GET {_SCRIPT}", READ, COMMON),
    Row(f"PUT {_SCRIPT}", _WRITE, COMMON, lambda _: script("Spare", "false")),
    Row(f"GET {_SCRIPT}/revisions", READ, COMMON),
    Row(f"GET {_SCRIPT}/revisions/{{revision}}", READ, COMMON),
    Row(f"POST {_SCRIPT}/archive", _WRITE, COMMON),
    Row(f"POST {_SCRIPT}/restore", _WRITE, COMMON),
    Row(f"GET {_SCRIPT}/export", READ, COMMON),
    # Its jobs take each new revision: who saves one decides what runs on their devices.
    Row(
        f"PUT {_SCRIPT}",
        (P.ASSEMBLIES_WRITE, P.RUN_AS_SYSTEM),
        USED,
        lambda it: script(it.script_name, "reboot"),
        is_in_path=False,
        unseen=403,
        spans=403,
        path_of="side",
        path_as=(("assembly_id", "script_id"),),
    ),
    Row(
        f"POST {_SCRIPTS}/import",
        (P.ASSEMBLIES_WRITE, P.RUN_AS_SYSTEM),
        USED,
        lambda it: f"name: {it.script_name}\nkind: script\ninterpreter: bash\ncontent: reboot\n",
        is_in_path=False,
        unseen=403,
        spans=403,
        content_type="text/yaml",
    ),
)

_JOB_OF: Body = lambda it: job(it.assembly_id, [it.device_id])  # noqa: E731 - one of many bodies
JOB_ROWS = (
    _listed(f"GET {JOBS}"),
    Row(f"GET {JOBS}", READ, query=lambda _: {"q": HIDDEN_NAME}),
    _found(lambda it: {"site_id": it.site_id}, SITE, f"GET {JOBS}"),
    Row(f"POST {JOBS}", SAVE, DEVICE, _JOB_OF, ok=201, is_in_path=False, unseen=422),
    Row(f"POST {JOBS}/preview", READ, DEVICE, _JOB_OF, is_in_path=False, unseen=200),
    Row(f"POST {JOBS}/preview", READ, WORK, _JOB_OF, lambda it: {"job_id": it.job_id}, is_in_path=False),
    Row(f"POST {JOBS}/plan", SAVE, DEVICE, _yaml, is_in_path=False, unseen=200, content_type="text/yaml"),
    Row(f"POST {JOBS}/import", SAVE, DEVICE, _yaml, ok=201, is_in_path=False, unseen=422, content_type="text/yaml"),
    # A name that is taken by what the caller does not see is free.
    Row(
        f"POST {JOBS}/import",
        SAVE,
        WORK,
        _named_as,
        lambda _: {"on_existing": "refuse"},
        ok=409,
        is_in_path=False,
        unseen=201,
        content_type="text/yaml",
    ),
    Row(f"GET {JOB}", READ, WORK),
    Row(f"PUT {JOB}", SAVE, WORK, _JOB_OF, spans=403),
    Row(f"DELETE {JOB}", (P.JOBS_WRITE,), WORK, ok=204, spans=403),
    Row(f"POST {JOB}/toggle", (P.JOBS_WRITE,), WORK, lambda _: {"enabled": False, "reason": "x"}, spans=403),
    Row(f"GET {JOB}/preview", READ, WORK),
    Row(f"GET {JOB}/revisions", READ, WORK),
    Row(f"GET {JOB}/export", READ, WORK, spans=403),
    Row(f"POST {JOB}/rerun", START, WORK, lambda _: {"targets": "all"}, ok=202, spans=403),
    Row(
        f"POST {JOB}/rerun",
        START,
        MEMBER,
        lambda it: {"targets": {"device_ids": [it.device_id]}},
        ok=202,
        is_in_path=False,
        unseen=422,
    ),
    Row(
        f"POST {JOB}/backfill",
        START,
        WORK,
        lambda _: {"from": "2026-01-02T00:00:00Z", "to": "2026-01-04T00:00:00Z"},
        ok=202,
        spans=403,
    ),
    Row(f"GET {JOB}/runs", READ, WORK),
    Row(f"DELETE {JOB}/runs", (P.JOBS_WRITE,), WORK, spans=403),
    Row(f"GET {JOB}/devices", READ, WORK, query=lambda _: {"limit": 500}),
    Row(f"GET {JOB}/devices", READ, WORK, query=lambda _: {"q": HIDDEN_NAME}),
    Row(f"GET {OF_JOB}", READ, OCCURRENCE),
    Row(f"GET {OF_JOB}/diff/{{other}}", READ, OCCURRENCE, path_as=(("other", "held"),)),
    Row(
        f"POST {JOBS}/bulk",
        (P.JOBS_WRITE,),
        WORK,
        lambda it: {"action": "tag", "add": ["nightly"], "job_ids": [it.job_id]},
        is_in_path=False,
        unseen=200,
    ),
    Row(f"POST {OF_JOB}/cancel", RUN, OCCURRENCE, ok=202, spans=403),
    Row(f"POST {OF_JOB}/release", START, OCCURRENCE, ok=202, spans=403, path_as=HELD),
    Row(f"POST {OF_JOB}/skip", RUN, OCCURRENCE, spans=403, path_as=HELD),
    Row("GET /api/runs/{run_id}", READ, WORK),
    Row("GET /api/runs/{run_id}/recap", READ, WORK),
    Row("GET /api/executions/{execution_id}/output", READ, WORK),
    Row("GET /api/executions/{execution_id}/variables", READ, WORK),
    Row("GET /api/executions/{execution_id}/output/download", READ, WORK),
)

_PLANNED = {"sort": "time", "from": "2026-01-01T00:00:00Z", "limit": 500}
LEDGER = (
    _listed("GET /api/occurrences"),
    Row("GET /api/occurrences", READ, query=lambda _: _PLANNED),
    Row("GET /api/occurrences", READ, query=lambda _: {"q": HIDDEN_NAME}),
    _found(lambda it: {"site_id": it.site_id}, SITE, "GET /api/occurrences"),
    _found(lambda it: {"job_id": it.job_id}, WORK, "GET /api/occurrences"),
    _listed("GET /api/outages"),
    Row("GET /api/outages/{outage_id}", READ, COMMON, query=lambda _: {"limit": 500}),
    _decided("skip"),
    Row(_RELEASE, RUN, body=lambda _: {"jobs": "all", "action": "skip"}),
    Row(_RELEASE, RUN, body=lambda _: {"jobs": "all", "action": "release"}),
    _decided("release", P.RUN_AS_SYSTEM),
    Row("GET /api/storm_guard", READ),
    Row("PUT /api/storm_guard", (P.SERVICES_WRITE,), body=_BARE),
)

_WINDOWS = "/api/windows"
_CHANGE = (P.WINDOWS_WRITE,)


def _attached(kind: Kind, attach: Callable[[Things], dict[str, Any]], **more: Any) -> Row:
    body: Body = lambda it: window_body("Fresh", [attach(it)])  # noqa: E731 - one of many bodies
    return Row(f"POST {_WINDOWS}", _CHANGE, kind, body, ok=201, is_in_path=False, unseen=422, **more)


WINDOWS = (
    _listed(f"GET {_WINDOWS}"),
    _found(lambda it: {"site_id": it.site_id}, SITE, f"GET {_WINDOWS}"),
    _found(lambda it: {"device_id": it.device_id}, DEVICE, f"GET {_WINDOWS}"),
    _found(lambda it: {"job_id": it.job_id}, WORK, f"GET {_WINDOWS}"),
    _attached(SITE, lambda it: site(it.site_id)),
    _attached(DEVICE, lambda it: device(it.device_id)),
    _attached(WORK, lambda it: {"kind": "job", "job_id": it.job_id}, spans=422),
    _attached(FILTER, lambda it: {"kind": "filter", "filter_id": it.filter_id}),
    Row(
        f"POST {_WINDOWS}/import",
        _CHANGE,
        SITE,
        lambda _: _CALENDAR,
        lambda it: {"name": "Filed", "kind": "deny", "attach": f"site:{it.site_id}"},
        ok=201,
        is_in_path=False,
        unseen=422,
        content_type="text/calendar",
    ),
    Row(f"GET {_WINDOWS}/check", READ, WORK, query=lambda it: {"job_id": it.job_id}, is_in_path=False),
    Row(f"GET {_WINDOWS}/check", READ, DEVICE, query=lambda it: {"device_id": it.device_id}, is_in_path=False),
    Row(f"GET {_WINDOWS}/{{window_id}}", READ, WORK),
    Row(
        f"PUT {_WINDOWS}/{{window_id}}",
        _CHANGE,
        WORK,
        lambda it: window_body("Renamed", [device(it.device_id)]),
        spans=403,
    ),
    Row(f"DELETE {_WINDOWS}/{{window_id}}", _CHANGE, WORK, ok=204, spans=403),
    Row(f"GET {_WINDOWS}/{{window_id}}/preview", READ, WORK),
)

_FILTERS, _FILTER = "/api/device_filters", "/api/device_filters/{filter_id}"
_ASK = (P.FILTERS_WRITE,)
_AT: Body = lambda it: filter_body("Fresh", [it.site_id])  # noqa: E731 - one of many bodies
FILTERS = (
    _listed(f"GET {_FILTERS}"),
    Row(f"GET {_FILTERS}", READ, query=lambda _: {"q": HIDDEN_NAME, "archived": "all", "sort": "-updated_at"}),
    Row(f"POST {_FILTERS}", _ASK, SITE, _AT, ok=201, is_in_path=False, unseen=422),
    Row(f"GET {_FILTERS}/fields", READ),
    Row(f"POST {_FILTERS}/preview", READ, SITE, lambda it: _aim(it.site_id), is_in_path=False, unseen=422),
    Row(f"GET {_FILTER}", READ, FILTER),
    Row(f"PUT {_FILTER}", _ASK, FILTER, lambda _: _aim(None) | {"name": "Fresh"}, spans=403),
    Row(f"DELETE {_FILTER}", _ASK, FILTER, ok=204, spans=403),
    Row(f"POST {_FILTER}/clone", _ASK, FILTER, _BARE, ok=201),
    Row(f"POST {_FILTER}/archive", _ASK, FILTER, _BARE, spans=403),
    Row(f"GET {_FILTER}/usage", READ, FILTER),
    Row(f"GET {_FILTER}/revisions", READ, FILTER),
    Row(f"GET {_FILTER}/preview", READ, FILTER),
)


def _aim(site_id: int | None) -> dict[str, Any]:
    """Criteria at one site, or at all."""
    aim = filter_body("", [site_id])
    return {key: aim[key] for key in (("criteria", "site_mode", "site_ids") if site_id else ("criteria",))}


_NO_PROOF = "A" * 86
AGENTS = (
    Row("POST /api/agent/challenge", (), DEVICE, lambda it: {"device_id": it.device_id}, who=Who.AGENTS),
    Row(
        "POST /api/agent/token",
        (),
        DEVICE,
        lambda it: {"device_id": it.device_id, "challenge": "made-up", "signature": _NO_PROOF},
        ok=403,
        who=Who.AGENTS,
    ),
    Row(
        "POST /api/agent/enrol/{enrolment_id}/poll",
        (),
        APPROVAL,
        lambda _: {"poll_token": "made-up"},
        ok=404,
        who=Who.AGENTS,
        path_as=(("enrolment_id", "approval_id"),),
    ),
    Row(
        "POST /api/agent/enrol",
        (),
        body=lambda _: {
            **dict.fromkeys(("os_name", "os_version", "arch", "agent_version"), "x"),
            "code": "NOTACODE",
            "hostname": "web-1",
            "public_key": "A" * 43,
            "os_family": "linux",
            "proof": _NO_PROOF,
        },
        ok=422,
        who=Who.AGENTS,
    ),
)

ROWS = (*PEOPLE, *PLACES, *CATALOGUE, *JOB_ROWS, *LEDGER, *WINDOWS, *FILTERS, *AGENTS)
