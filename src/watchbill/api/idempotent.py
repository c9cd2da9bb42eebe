"""Idempotency-Key: a repeated POST of the same caller gets the first reply again and changes nothing."""

import hmac
import re
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from watchbill.core.problems import Problem
from watchbill.identity import SignIn
from watchbill.identity.idempotency import Claim, Reply
from watchbill.kit.errors import InvalidError
from watchbill.kit.secrets import KeyRing

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
#: The framework computes these anew.
_NOT_KEPT = {"content-length", "set-cookie"}


async def handled(request: Request, keys: KeyRing, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """The reply of `handle`, or the kept reply of the first such request. Keeps nothing of an error."""
    claim = await _claim(request, keys)
    if claim is None:
        return await handle(request)
    tx, now = request.state.tx, request.state.now
    earlier = await claim.earlier_reply(tx, keys, now)
    if earlier is not None:
        return Response(earlier.text, earlier.status, {**earlier.headers, REPLAYED_HEADER: "true"})
    response = await handle(request)
    body = getattr(response, "body", None)
    if response.status_code < 400 and isinstance(body, bytes):
        headers = {name: value for name, value in response.headers.items() if name.lower() not in _NOT_KEPT}
        await claim.keep(tx, keys, Reply(response.status_code, headers, body.decode()))
    return response


async def _claim(request: Request, keys: KeyRing) -> Claim | None:
    """What is asked for under which key; None when there is no key or nobody to hold it."""
    key = request.headers.get(HEADER)
    sign_in: SignIn | None = getattr(request.state, "sign_in", None)
    if key is None or sign_in is None or request.method != "POST":
        return None
    if _KEY.fullmatch(key) is None:
        wrong = Problem(HEADER, "invalid", "must be 1 to 200 visible ASCII characters")
        raise InvalidError.of([wrong], what="The request")
    return Claim(sign_in.operator.id, key, _request_hash(request, keys, sign_in, await request.body()))


def _request_hash(request: Request, keys: KeyRing, sign_in: SignIn, body: bytes) -> bytes:
    """What makes two requests the same: path, query, body, and the rights with which they were made.

    Under a key: a body may hold a secret that could be guessed from a plain hash of it.
    """
    actor = sign_in.actor
    rights = [sign_in.token_id, actor.scope.as_list(), sorted(actor.permissions)]
    head = "\0".join([request.url.path, request.url.query, repr(rights)])
    return hmac.digest(keys.derived("idempotency"), head.encode() + b"\0" + body, "sha256")
