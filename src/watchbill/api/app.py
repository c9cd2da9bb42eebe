"""The REST application: every resource mounted once, in one list. Built from `Deps`; starts nothing."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from watchbill.api import (
    agent,
    agent_packages,
    api_tokens,
    assemblies,
    assembly_files,
    audit,
    bulk_jobs,
    calendar,
    console,
    credentials,
    custom_fields,
    device_approvals,
    device_filters,
    devices,
    events,
    exports,
    health,
    host_keys,
    install,
    notification_channels,
    notification_rules,
    notifications,
    occurrences,
    onboarding,
    operators,
    outages,
    output,
    pages,
    playbook_zips,
    recaps,
    rollouts,
    runs,
    scheduled_jobs,
    search,
    service_accounts,
    session,
    sites,
    stops,
    variables,
    views,
    vpn,
    waiting,
    webhooks,
    windows,
    workers,
    workflow_documents,
    workflow_runs,
)
from watchbill.api.addresses import is_secure
from watchbill.api.common import Deps, install_error_handlers, problem_schemas
from watchbill.api.middleware import Guarded, Observed
from watchbill.playbooks import MAX_ZIP_BYTES, CollectionCache, SyntaxChecks
from watchbill_wire import MAX_PACKAGE_BYTES

#: A new resource is a line here.
ROUTERS: tuple[APIRouter, ...] = (
    health.alive,
    health.ready,
    health.numbers,
    pages.pages,
    session.public,
    session.personal,
    operators.resource,
    api_tokens.resource,
    sites.resource,
    service_accounts.resource,
    devices.resource,
    host_keys.resource,
    custom_fields.resource,
    device_approvals.resource,
    device_filters.resource,
    audit.resource,
    audit.streams,
    assemblies.resource,
    assembly_files.resource,
    assembly_files.streams,
    playbook_zips.streams,
    bulk_jobs.resource,
    scheduled_jobs.resource,
    occurrences.resource,
    calendar.resource,
    recaps.resource,
    rollouts.resource,
    onboarding.resource,
    onboarding.streams,
    outages.resource,
    runs.of_jobs,
    runs.results,
    output.resource,
    output.streams,
    exports.streams,
    search.resource,
    stops.resource,
    waiting.resource,
    webhooks.of_workflows,
    webhooks.resource,
    webhooks.public,
    windows.resource,
    notification_channels.resource,
    notification_rules.resource,
    notification_rules.of_jobs,
    notifications.resource,
    notifications.heartbeat,
    credentials.resource,
    variables.resource,
    variables.results,
    views.resource,
    vpn.resource,
    workers.resource,
    workflow_documents.resource,
    workflow_runs.of_workflows,
    workflow_runs.resource,
    workflow_runs.approvals,
    events.router,
    agent.resource,
    agent_packages.resource,
    agent_packages.streams,
    install.pages,
    console.router,  # last: it takes every path that nothing else has taken
)


class _Application(FastAPI):
    """The document says what problem details are, to which all routes refer."""

    def openapi(self) -> dict[str, Any]:
        is_new = self.openapi_schema is None
        document = super().openapi()
        if is_new:
            document["components"]["schemas"] |= problem_schemas()
        return document


def create_app(deps: Deps) -> FastAPI:
    app = _Application(
        title="Watchbill",
        version=version("watchbill"),
        summary="Scheduled jobs for a fleet of computers.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the framework's pages load scripts from other hosts; api/pages.py has our own
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    app.state.deps = deps
    app.state.checks = SyntaxChecks(CollectionCache.of(deps.settings))
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    larger = {
        assembly_files.UPLOADS: deps.settings.file_limit_bytes,
        playbook_zips.IMPORT: MAX_ZIP_BYTES,
        agent_packages.PACKAGES: MAX_PACKAGE_BYTES,
    }
    app.add_middleware(Guarded, is_tls=is_secure(deps), larger=larger)
    app.add_middleware(Observed)  # added last = outermost
    return app


def _operation_id(route: APIRoute) -> str:
    """The handler's name: stable for generated clients, and unique (a test says so)."""
    return route.name
