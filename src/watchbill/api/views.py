"""`/api/views`: saved filters, orders and columns of the screens. Knows which list each screen shows, and what that accepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, get_origin

from fastapi import Body, Header, Query, Response
from pydantic import BaseModel, Field, ValidationError

from watchbill import views
from watchbill.api.assemblies import AssemblyListItem, AssemblyQuery
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Id,
    Instant,
    Model,
    Name,
    Now,
    PageOf,
    PageQuery,
    SearchQuery,
    Tx,
    check_if_match,
    etag,
    router,
    validation_problems,
)
from watchbill.api.device_approvals import ApprovalQuery, ApprovalReply
from watchbill.api.devices import DeviceQuery, DeviceReply
from watchbill.api.documented import Documented
from watchbill.api.job_shapes import JobAction, JobListItem
from watchbill.api.occurrences import LedgerEntry, OccurrencesQuery
from watchbill.api.scheduled_jobs import JobQuery
from watchbill.api.window_shapes import WindowRow
from watchbill.api.windows import WindowQuery
from watchbill.core.problems import Problem, under
from watchbill.identity import Actor
from watchbill.kit.errors import InvalidError
from watchbill.views import View, ViewDraft, ViewFilter

resource = router(prefix="/api/views", tags=["views"])

ScreenName = Literal["jobs", "occurrences", "devices", "device_approvals", "windows", "assemblies"]


@dataclass(frozen=True, slots=True)
class _Screen:
    """The query of a screen's list, and its rows, whose fields are its columns."""

    query: type[PageQuery]
    row: type[BaseModel]


SCREENS: Final[Mapping[str, _Screen]] = {
    "jobs": _Screen(JobQuery, JobListItem),
    "occurrences": _Screen(OccurrencesQuery, LedgerEntry),
    "devices": _Screen(DeviceQuery, DeviceReply),
    "device_approvals": _Screen(ApprovalQuery, ApprovalReply),
    "windows": _Screen(WindowQuery, WindowRow),
    "assemblies": _Screen(AssemblyQuery, AssemblyListItem),
}


class ViewBody(Model):
    """`query`: parameters of the screen's list, as its GET names them. `columns`: fields of its rows, in order."""

    name: Name
    screen: ScreenName
    query: dict[str, Any] = Field(default_factory=dict)
    columns: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    is_shared: bool = Field(default=False, description="everybody sees it; only its owner or an admin changes it")


class ViewReply(ViewBody):
    id: Id
    owner: str
    is_mine: bool
    revision: int
    created_at: Instant
    updated_at: Instant
    allowed_actions: list[JobAction]


class ViewQuery(SearchQuery):
    screen: ScreenName | None = None
    mine: Annotated[bool | None, Field(description="only one's own, or only those that others share")] = None


IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
AnyView = Annotated[Any, Documented(ViewBody), Body()]


@resource.get("")
async def list_views(tx: Tx, caller: Caller, query: Annotated[ViewQuery, Query()]) -> PageOf[ViewReply]:
    """The caller's views and those that others share, by name."""
    wanted = ViewFilter(query.q, query.screen, query.mine)
    page = await views.list_views(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[ViewReply].of(page, lambda view: _shape(view, caller))


@resource.post("", status_code=201)
async def create_view(body: AnyView, tx: Tx, caller: Caller, now: Now, response: Response) -> ViewReply:
    """Save a view of one's own."""
    view = await views.create(tx, caller, _draft(body), now=now)
    response.headers["Location"] = f"/api/views/{view.id}"
    return _reply(view, caller, response)


@resource.get("/{view_id}")
async def get_view(view_id: Id, tx: Tx, caller: Caller, response: Response) -> ViewReply:
    """One view."""
    return _reply(await views.get(tx, caller, view_id), caller, response)


@resource.put("/{view_id}")
async def update_view(
    view_id: Id, body: AnyView, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> ViewReply:
    """Save a view anew, share it or take the sharing back. What changes nothing makes no revision."""
    before = await views.lock(tx, caller, view_id)
    check_if_match(if_match, before.revision)
    return _reply(await views.update(tx, caller, before, _draft(body), now=now), caller, response)


@resource.delete("/{view_id}", status_code=204)
async def delete_view(view_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Delete a view, for everybody if it was shared."""
    before = await views.lock(tx, caller, view_id)
    check_if_match(if_match, before.revision)
    await views.delete(tx, caller, before, now=now)


def _reply(view: View, caller: Actor, response: Response) -> ViewReply:
    response.headers["ETag"] = etag(view.revision)
    return _shape(view, caller)


def _shape(view: View, caller: Actor) -> ViewReply:
    added = {"is_mine", "allowed_actions"}
    return ViewReply(
        is_mine=view.owner_id == caller.operator_id,
        allowed_actions=[JobAction.model_validate(one) for one in views.allowed_actions(caller, view)],
        **{name: getattr(view, name) for name in ViewReply.model_fields.keys() - added},
    )


def _draft(body: object) -> ViewDraft:
    """The view with its query as the screen's list reads it; InvalidError lists every problem."""
    draft, problems = views.read(body, tuple(SCREENS))
    screen = SCREENS.get(draft.screen)
    if screen is not None:
        query, found = _read_query(screen.query, draft.query)
        problems += [*under("query", found), *_strange_columns(screen, draft.columns or ())]
        draft = replace(draft, query=query)
    if problems:
        raise InvalidError.of(problems, what="The view")
    return draft


def _read_query(model: type[PageQuery], given: Mapping[str, object]) -> tuple[Mapping[str, object], list[Problem]]:
    """Parameters as the list would read them from an address; which page of it is shown is no part of a view."""
    message = "belongs to a page of the list, not to a view"
    problems = [Problem(name, "not_allowed", message) for name in PageQuery.model_fields if name in given]
    wanted = {name: value for name, value in given.items() if name not in PageQuery.model_fields and value is not None}
    several = {
        field.alias or name for name, field in model.model_fields.items() if get_origin(field.annotation) is list
    }
    listed = {
        name: [value] if name in several and not isinstance(value, list) else value for name, value in wanted.items()
    }
    try:
        read = model.model_validate(listed)
    except ValidationError as error:
        return given, [*problems, *validation_problems(error.errors())]
    return read.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True), problems


def _strange_columns(screen: _Screen, columns: Sequence[str]) -> list[Problem]:
    known = list(screen.row.model_fields)
    message = f"is no column of this screen; it has: {', '.join(known)}"
    return [
        Problem(f"columns.{place}", "not_allowed", message) for place, name in enumerate(columns) if name not in known
    ]
