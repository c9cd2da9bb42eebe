"""Waves as OpenAPI documents them: what a job says of them, and how far an occurrence is."""

from typing import Annotated, Literal

from pydantic import Field

from watchbill.api.common import Instant, Model
from watchbill.api.target_shapes import JobCanaryTarget
from watchbill.core.job_rules_waves import CONCURRENCY, COUNT, MAX_WAVES, PERCENT, SOAK_SECONDS
from watchbill.core.tag_rules import MAX_TAG_CHARACTERS
from watchbill.core.targets import MAX_TARGETS
from watchbill.core.waves import LEAST_RESULTS

_LOW, _HIGH = COUNT
Number = Annotated[int, Field(ge=_LOW, le=_HIGH)]
Percent = Annotated[int, Field(ge=PERCENT[0], le=PERCENT[1])]
Places = Annotated[int, Field(ge=CONCURRENCY[0], le=CONCURRENCY[1])]
Share = Annotated[str, Field(pattern="^(100|[1-9][0-9]?)%$")]


class JobCanary(Model):
    """Who goes first: devices with the tag, and those named or found by a filter. Only devices that the run is for anyway.

    Who they are is settled when an occurrence opens. Where a filter cannot be told then, the occurrence does not start. Lists leave
    `targets` out, as they do those of the job.
    """

    tag: Annotated[str, Field(min_length=1, max_length=MAX_TAG_CHARACTERS, description="a tag of devices")] | None = (
        None
    )
    targets: Annotated[list[JobCanaryTarget], Field(max_length=MAX_TARGETS)] = Field(default_factory=list)
    if_none: Literal["refuse", "go_on"] = Field(
        default="refuse",
        description="where no device of an occurrence is a canary: it is skipped as `no_canaries`, or goes on with its other waves",
    )


class JobStop(Model):
    """The brake. It is judged by every result, over all waves that have begun: failed are failed and timed out, unreachable are
    expired, lost, and who is still waited for when a wave is over. Skipped and cancelled devices are neutral.
    """

    failed_percent: Percent | None = Field(
        default=None, description="stop as soon as so many percent of the results are failures"
    )
    failed_count: Number | None = Field(default=None, description="stop at so many failures")
    unreachable_percent: Percent | None = Field(
        default=None, description="stop as soon as so many percent of the results could not be reached"
    )
    unreachable_count: Number | None = Field(default=None, description="stop at so many that could not be reached")
    least_results: Number = Field(
        default=LEAST_RESULTS,
        description="below so many results no share stops a run in the middle of a wave; at its end all count",
    )
    cancel_running: bool = Field(default=False, description="stop also what runs; else it runs to its end")


class JobWaves(Model):
    """Devices in waves. The next one begins when each device of the last has ended or waits to come online, and one gave a result."""

    sizes: Annotated[
        list[Number | Share],
        Field(
            min_length=1,
            max_length=MAX_WAVES,
            description="of each wave: a number of devices, or a share of all such as `10%`, rounded up. What they leave is one more wave",
        ),
    ]
    soak_seconds: Annotated[
        int, Field(ge=SOAK_SECONDS[0], le=SOAK_SECONDS[1], description="pause after each wave but the last")
    ] = 0
    promote: Literal["auto", "manual"] = Field(
        default="auto", description="manual: each next wave waits for a person, after its soak"
    )
    order_by: Literal["hostname", "site", "os", "last_seen", "random"] = Field(
        default="hostname",
        description="who is in the first waves. last_seen: the latest first; random: the same at each run",
    )
    reversed: bool = Field(default=False, description="the last of that order are in the first waves")
    canary: JobCanary | None = Field(default=None, description="these devices are the first wave, before the sizes")
    stop: JobStop = Field(default_factory=JobStop)


class RolloutReply(Model):
    """How far an occurrence is that goes in waves or with a limit. `wave` is the last that has begun; `waves` null = only limited.

    `until`: how long it soaks, or when what waits for a promotion ends as not started.
    """

    phase: Literal["running", "soaking", "awaiting_promotion", "braked", "ended"]
    wave: int
    waves: int | None
    concurrency: int | None
    site_concurrency: int | None
    until: Instant | None
    braked_at: Instant | None
    braked_by: str | None
    sentence: str
