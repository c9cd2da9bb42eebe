"""What a job may be aimed at, as OpenAPI documents it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from watchbill.api.common import Id, Model


class DeviceTarget(Model):
    kind: Literal["device"]
    device_id: UUID


class FilterTarget(Model):
    """Whoever the filter holds when an occurrence falls due, within the sites of whoever saved the job."""

    kind: Literal["filter"]
    filter_id: Id


class SiteTarget(Model):
    """Whoever is in the site when an occurrence falls due."""

    kind: Literal["site"]
    site_id: Id


class AllDevicesTarget(Model):
    """Every device in the sites of whoever saved the job, when an occurrence falls due."""

    kind: Literal["all_devices"]


JobTarget = Annotated[DeviceTarget | FilterTarget | SiteTarget | AllDevicesTarget, Field(discriminator="kind")]
JobExclusion = Annotated[DeviceTarget | FilterTarget | SiteTarget, Field(discriminator="kind")]
#: Who may be named as a canary.
JobCanaryTarget = Annotated[DeviceTarget | FilterTarget, Field(discriminator="kind")]
