"""`/api/session`: sign in, who am I, choose a password, sign out."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr, StringConstraints

from watchbill import identity
from watchbill.api import auth
from watchbill.api.addresses import is_secure
from watchbill.api.common import PROBLEMS, Deps, Instant, Model, Now, TheDeps, Tx, personal_router, refuse_unstorable
from watchbill.identity import Attempt, Permission, Role, SignIn
from watchbill.identity.passwords import MAX_LENGTH
from watchbill.kit.errors import NotSignedInError

# Not a transaction: the count of the attempt is committed before the password is checked, and no database connection is
# held while it is.
public = APIRouter(prefix="/api/session", tags=["session"], responses=PROBLEMS)
personal = personal_router(prefix="/api/session", tags=["session"])

GivenPassword = Annotated[SecretStr, StringConstraints(min_length=1, max_length=MAX_LENGTH)]


class Login(Model):
    username: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: GivenPassword


class PasswordChange(Model):
    current_password: GivenPassword
    new_password: GivenPassword


class Me(Model):
    """The account behind a session."""

    id: int
    username: str
    display_name: str
    role: Role


class SessionReply(Model):
    """`site_ids` null = every site; `csrf_token` and `expires_at` are null for an API token."""

    operator: Me
    permissions: list[Permission]
    site_ids: list[int] | None
    must_change_password: bool
    csrf_token: str | None
    expires_at: Instant | None

    @classmethod
    def of(cls, sign_in: SignIn) -> "SessionReply":
        operator, session = sign_in.operator, sign_in.session
        return cls(
            operator=Me.model_validate(operator),
            permissions=sorted(sign_in.actor.permissions),
            site_ids=sign_in.actor.scope.as_list(),
            must_change_password=operator.must_change_password,
            csrf_token=session.csrf_token if session else None,
            expires_at=session.expires_at if session else None,
        )


@public.post("")
async def log_in(body: Login, request: Request, response: Response, deps: TheDeps) -> SessionReply:
    """Sign in; the reply sets the session cookie and tells the CSRF token that writes need."""
    refuse_unstorable(await request.body())
    sign_in = await _sign_in(deps, body, request)
    if sign_in is None:
        raise NotSignedInError("Username or password is wrong.", code="login_failed")
    _set_cookie(response, deps, sign_in)
    return SessionReply.of(sign_in)


async def _sign_in(deps: Deps, body: Login, request: Request) -> SignIn | None:
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        attempt = await identity.begin_attempt(tx, body.username, auth.remote_addr(request), now)
    attempt.check_limit()
    password = body.password.get_secret_value()
    is_right = await identity.passwords.is_right(password, attempt.password_hash)
    return await _finish(deps, attempt, password, is_right=is_right, user_agent=request.headers.get("User-Agent"))


async def _finish(
    deps: Deps, attempt: Attempt, password: str, *, is_right: bool, user_agent: str | None
) -> SignIn | None:
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        if is_right:
            await identity.keep_hash_current(tx, attempt, password)
        return await identity.finish_attempt(
            tx, attempt, is_right=is_right, lifetime=_lifetime(deps), user_agent=user_agent, now=now
        )


@personal.get("")
async def get_session(sign_in: auth.TheSignIn) -> SessionReply:
    """Who am I, what may I do, and the CSRF token of my session."""
    return SessionReply.of(sign_in)


@personal.delete("", status_code=204)
async def log_out(sign_in: auth.TheSignIn, tx: Tx, now: Now, response: Response) -> None:
    """End this session. For an API token nothing ends; revoke it instead."""
    await identity.close_session(tx, sign_in, now=now)
    for name in (auth.COOKIE, auth.SECURE_COOKIE):
        response.delete_cookie(name, path="/", secure=name == auth.SECURE_COOKIE, httponly=True, samesite="strict")


@personal.post("/password")
async def change_password(
    body: PasswordChange, sign_in: auth.TheSignIn, request: Request, response: Response, tx: Tx, now: Now, deps: TheDeps
) -> SessionReply:
    """Choose a new password; every session ends, and this one is replaced by a fresh one."""
    request.state.keep_on_error = True  # a wrong current password counts
    changed = await identity.change_own_password(
        tx,
        sign_in,
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
        lifetime=_lifetime(deps),
        now=now,
    )
    _set_cookie(response, deps, changed)
    return SessionReply.of(changed)


def _lifetime(deps: Deps) -> timedelta:
    return timedelta(hours=deps.settings.session_hours)


def _set_cookie(response: Response, deps: Deps, sign_in: SignIn) -> None:
    if sign_in.session is None:
        return
    secure = is_secure(deps)
    response.set_cookie(
        auth.SECURE_COOKIE if secure else auth.COOKIE,
        sign_in.session.token,
        max_age=deps.settings.session_hours * 3600,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
