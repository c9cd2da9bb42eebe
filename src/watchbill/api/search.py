"""Full-text search over what scripts wrote, in the caller's sites."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field

from watchbill import runs
from watchbill.api.auth import Caller
from watchbill.api.common import DEFAULT_PAGE, Id, PageOf, PageQuery, Tx, router, ruled
from watchbill.api.output import StreamName
from watchbill.api.output_shapes import HitReply, hit_reply
from watchbill.core import output_words
from watchbill.core.states import TargetState
from watchbill.identity import Permission
from watchbill.runs import Wanted

resource = router(prefix="/api", tags=["output"])


class SearchOutputQuery(PageQuery):
    """What to look for in output, and where."""

    q: Annotated[str, Field(min_length=1, max_length=500), ruled(output_words.question_problems)] = Field(
        description='words that all occur; `"disk full"` next to one another in one stream; `err*` words that begin so. '
        "Case and what stands between words do not count"
    )
    stream: Annotated[StreamName | None, Field(description="only in this stream")] = None
    job_id: Annotated[Id | None, Field(description="only of this job")] = None
    occurrence_id: Annotated[UUID | None, Field(description="only of this occurrence")] = None
    device_id: Annotated[UUID | None, Field(description="only of this device")] = None
    site_id: list[Id] = Field(default_factory=list, max_length=500, description="only of devices in these sites")
    state: list[TargetState] = Field(default_factory=list, description="only of targets in these states")
    exit_code: Annotated[int | None, Field(ge=-(2**31), lt=2**31, description="only with this exit code")] = None
    since: Annotated[AwareDatetime | None, Field(description="only of runs that began then or later")] = None
    until: Annotated[AwareDatetime | None, Field(description="only of runs that began then or earlier")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="rows on a page")] = DEFAULT_PAGE


@resource.get("/search")
async def search_output(caller: Caller, tx: Tx, wanted: Annotated[SearchOutputQuery, Query()]) -> PageOf[HitReply]:
    """Which devices printed something: executions that have ended, of the newest runs first.

    The first and the last 16 KiB of each stream are searched. What takes too long is refused as `too_slow`: name a job or a time.
    """
    caller.require(Permission.READ)
    page = await runs.search(tx, caller.scope, _wanted(wanted), limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[HitReply].of(page, hit_reply)


def _wanted(asked: SearchOutputQuery) -> Wanted:
    return Wanted(
        question=output_words.parse(asked.q),
        stream=asked.stream,
        job_id=asked.job_id,
        occurrence_id=asked.occurrence_id,
        device_id=asked.device_id,
        site_ids=asked.site_id,
        states=[str(one) for one in asked.state],
        exit_code=asked.exit_code,
        since=asked.since,
        until=asked.until,
    )
