"""Whether this process lives, whether it can serve, and its numbers."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from watchbill.api.auth import Caller
from watchbill.api.common import Model, public_router, router
from watchbill.identity import Permission

alive = APIRouter(tags=["health"])  # no transaction: it must answer without the database
ready = public_router(tags=["health"])
numbers = router(tags=["health"])


class Status(Model):
    status: Literal["ok"] = "ok"


@alive.get("/healthz")
async def get_health() -> Status:
    """The process runs."""
    return Status()


@ready.get("/readyz")
async def get_readiness() -> Status:
    """The process can serve: this very request had a database transaction. Otherwise 503."""
    return Status()


@numbers.get("/metrics", response_class=Response)
async def get_metrics(caller: Caller) -> Response:
    """This process's numbers for Prometheus; its scraper sends an API token."""
    caller.require(Permission.READ)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
