"""The sites a job may reach now: those it was saved for, as far as whoever saved it still has them. Only an SQL expression."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, case, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from watchbill.identity import Role
from watchbill.identity.tables import operator_sites, operators
from watchbill.jobs.tables import jobs


def scope_left() -> ColumnElement[Any]:
    """Of a row of `jobs`: site ids, NULL = every site. What its saver lost, or was never given back, is lost to the job too."""
    is_limited = exists().where(operators.c.id == jobs.c.scope_of, operators.c.role != Role.ADMIN)
    has = operator_sites.c
    still = or_(jobs.c.allowed_site_ids.is_(None), has.site_id == any_(jobs.c.allowed_site_ids))
    left = select(func.array_agg(has.site_id)).where(has.operator_id == jobs.c.scope_of, still).scalar_subquery()
    return case((is_limited, func.coalesce(left, cast([], ARRAY(BigInteger)))), else_=jobs.c.allowed_site_ids)
