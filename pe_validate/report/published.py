"""The JSON Schema of ``report.json``, made from the dataclasses that it holds."""

from __future__ import annotations

import json
from typing import Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pe_validate.data.report import VERSION, Report
from pe_validate.data.schema import schema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
NOT_FINITE: Final = ("Infinity", "-Infinity", "NaN")
"""How numbers are written for which JSON has no form."""


class _Numbers(GenerateJsonSchema):
    """Knows that numbers which are not finite are written as strings, where a dataclass says so."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        found = super().float_schema(schema)
        written = self._config.ser_json_inf_nan == "strings"
        return {"anyOf": [found, {"enum": list(NOT_FINITE)}]} if written else found


def to_schema() -> str:
    """Return the schema as indented JSON; a test holds ``docs/report.schema.json`` to it."""
    made = schema(Report).json_schema(mode="serialization", schema_generator=_Numbers)
    made["properties"] = {
        "headlines": {"description": "The outcome in words.", "items": {"type": "string"}, "type": "array"},
        **made["properties"],
        "version": {"const": VERSION, "description": "The version of this form."},
    }
    made["required"] = ["headlines", *made["required"], "version"]
    return json.dumps({"$schema": DIALECT, **made, "title": "pe-validate report"}, indent=1, ensure_ascii=False) + "\n"
