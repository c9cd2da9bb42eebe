"""`/api/custom_fields`: what every device may have a value for."""

from typing import Annotated

from fastapi import Header, Response
from pydantic import Field, StringConstraints

from watchbill import filters
from watchbill.api.auth import Caller
from watchbill.api.common import Description, Id, Instant, Model, Name, Now, Tx, check_if_match, etag, router
from watchbill.core.custom_field_rules import FIELD_NAME, FieldType
from watchbill.devices import CustomField, FieldDraft, custom_fields

resource = router(prefix="/api/custom_fields", tags=["custom fields"])

FieldName = Annotated[str, StringConstraints(pattern=f"^{FIELD_NAME}$"), Field(examples=["asset_number"])]
IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]


class CustomFieldBody(Model):
    """`name` and `type` stay as they were made. `settable_by_scripts`: a script's output may set it on the device it ran on."""

    name: FieldName
    label: Name
    type: FieldType
    description: Description = ""
    settable_by_scripts: bool = False

    def draft(self) -> FieldDraft:
        return FieldDraft(**self.model_dump())


class CustomFieldReply(Model):
    id: int
    name: str
    label: str
    type: FieldType
    description: str
    settable_by_scripts: bool
    revision: int
    created_at: Instant
    updated_at: Instant


class CustomFieldWithUse(CustomFieldReply):
    """`devices`: how many of those that the caller sees have a value."""

    devices: int


class CustomFields(Model):
    """All of them: there are at most 200."""

    items: list[CustomFieldReply]


class CustomFieldDeleted(Model):
    """On how many devices it had a value."""

    devices: int


def _reply(one: CustomField, response: Response) -> CustomFieldReply:
    response.headers["ETag"] = etag(one.revision)
    return CustomFieldReply.model_validate(one)


@resource.get("")
async def list_custom_fields(tx: Tx, caller: Caller) -> CustomFields:
    """All custom fields by name."""
    return CustomFields(
        items=[CustomFieldReply.model_validate(one) for one in await custom_fields.list_fields(tx, caller)]
    )


@resource.post("", status_code=201)
async def create_custom_field(
    body: CustomFieldBody, tx: Tx, caller: Caller, now: Now, response: Response
) -> CustomFieldReply:
    """Make a custom field for the devices of all sites."""
    made = await custom_fields.create_field(tx, caller, body.draft(), now=now)
    response.headers["Location"] = f"/api/custom_fields/{made.id}"
    return _reply(made, response)


@resource.get("/{field_id}")
async def get_custom_field(field_id: Id, tx: Tx, caller: Caller, response: Response) -> CustomFieldWithUse:
    """One custom field, and how many devices have a value for it."""
    one = _reply(await custom_fields.get_field(tx, caller, field_id), response)
    return CustomFieldWithUse(**one.model_dump(), devices=await custom_fields.count_values(tx, caller, field_id))


@resource.put("/{field_id}")
async def update_custom_field(
    field_id: Id, body: CustomFieldBody, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> CustomFieldReply:
    """Save a custom field anew; its name and type stay."""
    before = await custom_fields.lock_field(tx, caller, field_id)
    check_if_match(if_match, before.revision)
    return _reply(await custom_fields.update_field(tx, caller, before, body.draft(), now=now), response)


@resource.delete("/{field_id}")
async def delete_custom_field(
    field_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None
) -> CustomFieldDeleted:
    """Delete a custom field with its values on all devices; refused while a filter asks about it."""
    before = await custom_fields.lock_field(tx, caller, field_id)
    check_if_match(if_match, before.revision)
    used_by = await filters.using_field(tx, caller, before.name)
    return CustomFieldDeleted(devices=await custom_fields.delete_field(tx, caller, before, used_by=used_by, now=now))
