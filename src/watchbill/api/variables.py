"""`/api/variables`: values of variables for everything, for sites and for devices. A secret goes in and never comes out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Header, Query, Response
from pydantic import Field

from watchbill import runs, variables
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    SearchQuery,
    TheDeps,
    Tx,
    check_if_match,
    etag,
    router,
)
from watchbill.api.documented import Documented
from watchbill.core.variable_rules import Scope
from watchbill.identity import Permission
from watchbill.runs.given import Source
from watchbill.variables import Listed, VariableValue

resource = router(prefix="/api/variables", tags=["variables"])
results = router(prefix="/api", tags=["runs"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
AnyValue = Annotated[str | int | float | bool, Field(examples=["eu-central"])]


class VariableBody(Model):
    """The value that scripts find under `name` where their assembly declares it and the job gives none.

    For one site, for one device, or with neither for everything; `name`, `site_id` and `device_id` stay as they were made.
    `value` may be left out of an edit: the stored one stays.
    """

    name: str = Field(examples=["REGION"])
    value: AnyValue | None = None
    is_secret: bool = False
    description: str = ""
    site_id: int | None = None
    device_id: UUID | None = None


class VariableReply(Model):
    """`value` is null where it is secret: it is set, and when says `set_at`."""

    id: int
    name: str
    scope: Scope
    site_id: int | None
    site_name: str | None
    device_id: UUID | None
    hostname: str | None
    description: str
    is_secret: bool
    is_set: bool = True
    value: AnyValue | None
    revision: int
    set_at: Instant
    set_by: str | None


class VariableQuery(SearchQuery):
    """Which values."""

    scope: Scope | None = None
    site_id: Id | None = None
    device_id: UUID | None = None


class GivenValueReply(Model):
    """One variable of one execution and where its value came from. A secret has no value here.

    `revision` and `set_at` are told of values that neither the job nor the assembly gave.
    """

    name: str
    source: Source
    is_secret: bool
    value: AnyValue | None
    revision: int | None
    set_at: Instant | None


class GivenValues(Model):
    """All of them, as the assembly declares them."""

    items: list[GivenValueReply]


def _reply(one: VariableValue) -> VariableReply:
    own = ("name", "site_name", "hostname", "description", "is_secret", "value", "revision", "set_at", "set_by")
    return VariableReply(
        id=one.variable_id,
        scope=one.place.scope,
        site_id=one.place.site_id,
        device_id=one.place.device_id,
        **{name: getattr(one, name) for name in own},
    )


def _tagged(one: VariableValue, response: Response) -> VariableReply:
    response.headers["ETag"] = etag(one.revision)
    return _reply(one)


AnyVariable = Annotated[Any, Documented(VariableBody), Body()]


@resource.get("")
async def list_variables(query: Annotated[VariableQuery, Query()], tx: Tx, caller: Caller) -> PageOf[VariableReply]:
    """The values that the caller sees, by name."""
    wanted = Listed(query.scope, query.site_id, query.device_id, query.q)
    page = await variables.list_values(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[VariableReply].of(page, _reply)


@resource.post("", status_code=201)
async def create_variable(
    body: AnyVariable, tx: Tx, caller: Caller, now: Now, deps: TheDeps, response: Response
) -> VariableReply:
    """Set a value for everything, for a site or for a device."""
    made = await variables.create(tx, caller, body, keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/variables/{made.variable_id}"
    return _tagged(made, response)


@resource.get("/{variable_id}")
async def get_variable(variable_id: Id, tx: Tx, caller: Caller, response: Response) -> VariableReply:
    """One value; of a secret only that it is set, and when."""
    return _tagged(await variables.get(tx, caller, variable_id), response)


@resource.put("/{variable_id}")
async def update_variable(
    variable_id: Id,
    body: AnyVariable,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    response: Response,
    if_match: IfMatch = None,
) -> VariableReply:
    """Set a value anew; it takes effect at the next hand-out."""
    before = await variables.lock(tx, caller, variable_id)
    check_if_match(if_match, before.revision)
    return _tagged(await variables.update(tx, caller, before, body, keys=deps.keys, now=now), response)


@resource.delete("/{variable_id}", status_code=204)
async def delete_variable(variable_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Take a value away; a secret is forgotten for good."""
    before = await variables.lock(tx, caller, variable_id)
    check_if_match(if_match, before.revision)
    await variables.remove(tx, caller, before, now=now)


@results.get("/executions/{execution_id}/variables")
async def get_given_values(execution_id: UUID, tx: Tx, caller: Caller) -> GivenValues:
    """What a script was given, and where each value came from."""
    caller.require(Permission.READ)
    found = await runs.given_to(tx, caller.scope, execution_id)
    return GivenValues(items=[GivenValueReply.model_validate(one) for one in found])
