"""`watchbill operators`: who may sign in, and which permissions of their role they lack."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, command, group

app = group("Accounts of people, and the permissions that were taken from them. For admins.")
Operator = Annotated[str, typer.Argument(metavar="OPERATOR", help="An account's number or username.")]
Permissions = Annotated[list[str], typer.Argument(metavar="PERMISSION...", help="Such as run_as_system.")]


@command(app, "list")
def list_operators(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    limit: Limit = 100,
) -> None:
    """Accounts, by username."""
    page = session.api.page("/api/operators", {"q": q}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("username", "username"),
        Column("role", "role"),
        Column("enabled", lambda row: "yes" if row["enabled"] else "no"),
        Column("sites", _sites),
        Column("denied", lambda row: ", ".join(row["denied_permissions"])),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no such accounts.")


@command(app, "show")
def show(session: Session, operator: Operator) -> None:
    """One account."""
    _show(session, session.api.get(f"/api/operators/{session.operator_id(operator)}"))


@command(app, "deny")
def deny(session: Session, operator: Operator, permissions: Permissions) -> None:
    """Take permissions of its role from one account, at once, also in its running sessions and tokens."""
    _set_denied(session, operator, lambda denied: denied | set(permissions))


@command(app, "allow")
def allow(session: Session, operator: Operator, permissions: Permissions) -> None:
    """Give back what was denied."""
    _set_denied(session, operator, lambda denied: denied - set(permissions))


def _set_denied(session: Session, operator: str, change: Callable[[set[str]], set[str]]) -> None:
    path = f"/api/operators/{session.operator_id(operator)}"
    denied = change(set(session.api.get(path)["denied_permissions"]))
    _show(session, session.api.patch(path, {"denied_permissions": sorted(denied)}))


def _sites(account: Any) -> str:
    return "every site" if account["role"] == "admin" else ", ".join(str(one) for one in account["site_ids"])


def _show(session: Session, account: Any) -> None:
    if session.out.is_json:
        session.out.json(account)
        return
    session.out.facts(
        {
            "Account": f"{account['username']} (number {account['id']})",
            "Name": account["display_name"] or None,
            "Role": account["role"],
            "Enabled": "yes" if account["enabled"] else "no",
            "Sites": _sites(account) or "none",
            "Denied": ", ".join(account["denied_permissions"]) or None,
            "Last signed in": session.out.when(account["last_login_at"]),
        }
    )
