"""Building schemas (JSON Schema 2020-12)."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """A reference to one of the schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(description: str, properties: dict[str, Schema], required: tuple[str, ...] | None = None) -> Schema:
    """An object that may hold more; all its properties are required unless `required` names some."""
    names = list(properties) if required is None else list(required)
    return {"type": "object", "description": description, "properties": properties, "required": names}


def page_of(of: str, schema: str) -> Schema:
    """A page of a list."""
    following = {**or_null(TEXT), "description": "`cursor` of the next page; null on the last"}
    return object_of("A page", {of: {"type": "array", "items": ref(schema)}, "nextCursor": following})
