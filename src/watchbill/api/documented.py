"""Bodies that the rules read themselves: OpenAPI documents a typed model, the handler gets the JSON as it came.

The framework would stop at the first kind of fault, so that a wrong type hid every broken rule. Core names all at once.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class Documented:
    """For `Annotated[Any, Documented(Model), Body()]`: any JSON, described by `model`."""

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema
        described = self.model.__pydantic_core_schema__
        if described["type"] == "model":
            # Under a name of its own, as if the framework validated it: clients are generated from named schemas.
            name = f"{self.model.__module__}.{self.model.__qualname__}:{id(self.model)}"
            reference = core_schema.definition_reference_schema(name)
            described = core_schema.definitions_schema(reference, [{**described, "ref": name}])
        return handler(described)
