"""Examples of what a schema describes, made of those that it has in it."""

from collections.abc import Mapping
from typing import Any

EXAMPLE_ID = "01a22846-1825-7634-9a98-e38d020f9ed1"
EXAMPLE_GROUP = "01a22846-2a10-7c3e-8f5b-0d6c1e9a7b42"
"""The ids of the person and of the group that examples are about."""

_OF_FORMATS = {"uuid": EXAMPLE_ID, "date-time": "2026-11-25T09:30:00Z"}
_OF_TYPES: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": False, "null": None}


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any], *, name: str = "text") -> Any:
    """
    Return an example; of an object, with the fields that it must have, or all if it may have none.

    :param components: the schemas that it refers to.
    :param name: of the field that it is of, which stands for a text of which no more is known.
    """
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components, name=name)
    if said := [*schema.get("examples", ()), *schema.get("enum", ())]:
        return said[0]
    if choices := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]:
        return example_of(choices[0], components, name=name)
    return _of_type(schema, components, name)


def _of_type(schema: Mapping[str, Any], components: Mapping[str, Any], name: str) -> Any:
    match schema.get("type"):
        case "object":
            return _object(schema, components)
        case "array":
            return [example_of(schema.get("items", {}), components, name=name)] * schema.get("minItems", 1)
        case "string":
            return _OF_FORMATS.get(schema.get("format", ""), name)
        case kind:
            return schema.get("minimum", _OF_TYPES.get(kind or ""))


def _object(schema: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    wanted = schema.get("required") or fields
    return {name: example_of(each, components, name=name) for name, each in fields.items() if name in wanted}
