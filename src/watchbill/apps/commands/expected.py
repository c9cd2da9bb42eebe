"""Errors of the Engine's own parts that a person at a shell is to read as a sentence, not as a stack trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError

from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit.db import SchemaTooNewError
from watchbill.kit.errors import AppError, NotFoundError
from watchbill.kit.postgres import EmbeddedPostgresError
from watchbill.kit.secrets import SecretError


@contextmanager
def told() -> Iterator[None]:
    """Turn them into CliError."""
    try:
        yield
    except AppError as error:
        code = ExitCode.NOT_FOUND if isinstance(error, NotFoundError) else ExitCode.FAILED
        raise CliError(error.detail, code, [f"{p.field}: {p.message}" for p in error.problems]) from None
    except OperationalError as error:
        raise CliError(f"The database cannot be reached: {_first_line(error)}", ExitCode.UNREACHABLE) from None
    except DBAPIError as error:
        hint = "If the database is not set up yet, run `watchbill db upgrade`."
        raise CliError(f"The database refused: {_first_line(error)}", hint=hint) from None
    except (EmbeddedPostgresError, SchemaTooNewError, SecretError) as error:
        raise CliError(str(error)) from None


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else "no reason was given"
