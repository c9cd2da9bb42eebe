"""The errors that a caller may be shown: a status, a stable code, a sentence, and every problem with its field.

Raised where the rule is; rendered once, by the API.
"""

from collections.abc import Sequence

from watchbill.core.problems import Problem


class AppError(Exception):
    """A refusal with an HTTP status and a stable snake_case code."""

    status = 400
    code = "bad_request"

    def __init__(self, detail: str, *, code: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.problems = tuple(problems)


class NotFoundError(AppError):
    """Absent, or not visible to the caller: the two look the same on purpose."""

    status, code = 404, "not_found"


class NotSignedInError(AppError):
    status, code = 401, "not_signed_in"


class ForbiddenError(AppError):
    status, code = 403, "forbidden"


class ConflictError(AppError):
    """The object's present state does not allow this."""

    status, code = 409, "conflict"


class EtagMismatchError(AppError):
    status, code = 412, "etag_mismatch"


class InvalidError(AppError):
    """Content that breaks a rule; `problems` names every one."""

    status, code = 422, "invalid_content"

    @classmethod
    def of(cls, problems: Sequence[Problem], *, what: str) -> "InvalidError":
        number = len(problems)
        detail = f"{what} has {number} problem{'s' if number != 1 else ''}: nothing was changed."
        return cls(detail, problems=problems)


class TooManyRequestsError(AppError):
    status, code = 429, "rate_limited"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
