"""The verbs of views. A view is its owner's; a shared one everybody sees, and an admin may change or take away too."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, Role, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.views import store
from watchbill.views.reading import ViewDraft
from watchbill.views.store import View, ViewFilter

__all__ = ["View", "ViewFilter"]

#: Of one person.
MAX_VIEWS: Final = 200
_NOT_YOURS: Final = "It is somebody else's: only its owner or an admin may change it."


@dataclass(frozen=True, slots=True)
class Action:
    """Whether the reader may do something to a view, and why not."""

    action: str
    allowed: bool
    reason: str | None = None


async def get(tx: AsyncConnection, actor: Actor, view_id: int) -> View:
    actor.require(Permission.READ)
    return _there(await store.find(tx, actor.operator_id, view_id))


async def list_views(
    tx: AsyncConnection, actor: Actor, wanted: ViewFilter, *, limit: int, cursor: str | None
) -> Page[View]:
    """One's own and the shared ones, by name."""
    actor.require(Permission.READ)
    return await store.list_page(tx, actor.operator_id, wanted, limit=limit, cursor=cursor)


async def lock(tx: AsyncConnection, actor: Actor, view_id: int) -> View:
    """The view, held until the transaction ends, for a caller who may change it."""
    actor.require(Permission.READ)
    view = _there(await store.find(tx, actor.operator_id, view_id, for_update=True))
    if not _may_change(actor, view):
        raise ForbiddenError(_NOT_YOURS, code="view_of_another")
    return view


def allowed_actions(actor: Actor, view: View) -> list[Action]:
    """What this reader may do to the view; the writes themselves ask the same."""
    may = _may_change(actor, view)
    return [Action(name, allowed=may, reason=None if may else _NOT_YOURS) for name in ("update", "delete")]


def _may_change(actor: Actor, view: View) -> bool:
    return view.owner_id == actor.operator_id or (view.is_shared and actor.role is Role.ADMIN)


async def create(tx: AsyncConnection, actor: Actor, draft: ViewDraft, *, now: datetime) -> View:
    """Save a view of the caller's own."""
    actor.require(Permission.READ)
    owner = actor.operator_id
    if owner is None:
        raise ForbiddenError("A view belongs to a person.")
    await _check_name(tx, owner, draft, None)
    if await store.count(tx, owner) >= MAX_VIEWS:
        raise ConflictError(f"There are {MAX_VIEWS} views of yours, which is the most.", code="too_many_views")
    first = {"owner_id": owner, "revision": 1, "created_at": now, "updated_at": now}
    view_id = await store.insert_view(tx, {**_columns(draft), **first})
    await _record(tx, actor, view_id, "create", draft, now)
    return await get(tx, actor, view_id)


async def update(tx: AsyncConnection, actor: Actor, before: View, draft: ViewDraft, *, now: datetime) -> View:
    """Save a locked view anew; it stays its owner's. What changes nothing makes no revision."""
    values = _columns(draft)
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    await _check_name(tx, before.owner_id, draft, before)
    await store.update_view(tx, before.id, {**values, "revision": before.revision + 1, "updated_at": now})
    await _record(tx, actor, before.id, "update", draft, now)
    # Who is no owner and takes the sharing away does not see it any more.
    return _there(await store.find(tx, before.owner_id, before.id))


async def delete(tx: AsyncConnection, actor: Actor, before: View, *, now: datetime) -> None:
    await store.delete_view(tx, before.id)
    detail = {"name": before.name, "screen": before.screen, "owner": before.owner}
    await audit.record(tx, actor, "view.delete", "view", before.id, now=now, detail=detail)


def _there(view: View | None) -> View:
    if view is None:
        raise NotFoundError("There is no such view.", code="view_not_found")
    return view


async def _check_name(tx: AsyncConnection, owner_id: int, draft: ViewDraft, before: View | None) -> None:
    await store.hold_saving(tx, owner_id)
    if await store.is_named(tx, owner_id, draft.screen, draft.name, other_than=before.id if before else None):
        message = "another view for this screen has this name (case does not count)"
        raise InvalidError.of([Problem("name", "name_taken", message)], what="The view")


def _columns(draft: ViewDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "screen": draft.screen,
        "query": dict(draft.query),
        "columns": None if draft.columns is None else list(draft.columns),
        "is_shared": draft.is_shared,
    }


async def _record(tx: AsyncConnection, actor: Actor, view_id: int, verb: str, draft: ViewDraft, now: datetime) -> None:
    detail = {"name": draft.name, "screen": draft.screen, "is_shared": draft.is_shared}
    await audit.record(tx, actor, f"view.{verb}", "view", view_id, now=now, detail=detail)
