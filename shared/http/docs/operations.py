"""What an OpenAPI document says of each operation, as a page shows it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shared.http.problems import MEDIA_TYPE

DEEPEST = 3
"""How far records within records are followed."""

MOST_CHOICES = 10
BOUNDLESS = 2**53
"""The largest number that all readers of JSON have is no bound that anybody meets."""

Schema = Mapping[str, Any]


class DocumentedField(NamedTuple):
    """
    A parameter, or a field of a body; those of a record in a record are named `groups[].slug`.

    :param place: `path`, `query`, `header` or `body`.
    """

    name: str
    place: str
    type: str
    is_required: bool
    text: str
    example: str = ""


class DocumentedError(NamedTuple):
    """A problem that an operation can answer."""

    status: int
    name: str
    title: str


class DocumentedBody(NamedTuple):
    """What is sent or answered."""

    media_type: str
    example: Any
    fields: Sequence[DocumentedField]


class Documented(NamedTuple):
    """
    An operation.

    :param errors: by status.
    :param notes: of the other answers than errors, and of the headers, by their names.
    """

    id: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    scopes: Sequence[str]
    parameters: Sequence[DocumentedField]
    body: DocumentedBody | None
    answer: DocumentedBody
    notes: Mapping[str, str]
    errors: Sequence[DocumentedError]

    @property
    def is_read(self) -> bool:
        """Whether it can be tried on a page: it changes nothing, and its answer has an end."""
        return self.method == "GET" and self.answer.media_type == "application/json"


def operations_of(document: Schema) -> Mapping[str, Documented]:
    """Return the operations by their ids, in the order of the document."""
    components = document["components"]
    return {
        each["operationId"]: _documented(each, method, path, components)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    }


def _documented(operation: Schema, method: str, path: str, components: Schema) -> Documented:
    done, body = operation["responses"]["200"], operation.get("requestBody")
    others = {status: each["description"] for status, each in operation["responses"].items() if "200" < status < "400"}
    headers = {name: each["description"] for name, each in done.get("headers", {}).items()}
    return Documented(
        id=operation["operationId"],
        tag=operation["tags"][0],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        scopes=operation["security"][0]["bearer"],
        parameters=[_parameter(each, components) for each in operation["parameters"]],
        body=body and _body(body["content"], components),
        answer=_body(done["content"], components),
        notes={**others, **headers},
        errors=sorted(_errors(operation["responses"], components)),
    )


def _parameter(each: Schema, components: Schema) -> DocumentedField:
    schema, example = each["schema"], str(each.get("example", ""))
    type_ = type_of(schema, components["schemas"])
    return DocumentedField(each["name"], each["in"], type_, each["required"], each["description"], example)


def _body(content: Schema, components: Schema) -> DocumentedBody:
    [(media_type, described)] = content.items()
    return DocumentedBody(media_type, described["example"], [*fields_of(described["schema"], components["schemas"])])


def _errors(answers: Schema, components: Schema) -> Iterator[DocumentedError]:
    for status, answer in answers.items():
        for name in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}):
            yield DocumentedError(int(status), name, components["examples"][name]["summary"])


def fields_of(schema: Schema, schemas: Schema, *, within: str = "", depth: int = 0) -> Iterator[DocumentedField]:
    """Yield the fields of an object, each followed by those of the record that it holds, if it holds any."""
    found = _resolved(schema, schemas)
    for name, each in found.get("properties", {}).items():
        is_required = name in found.get("required", ())
        yield DocumentedField(within + name, "body", type_of(each, schemas), is_required, _text_of(each, schemas))
        if depth < DEEPEST:
            held, mark = (each["items"], "[].") if each.get("type") == "array" else (each, ".")
            yield from fields_of(held, schemas, within=f"{within}{name}{mark}", depth=depth + 1)


def type_of(schema: Schema, schemas: Schema) -> str:
    """Say in words what a value may be."""
    schema = _resolved(schema, schemas)
    if choices := schema.get("enum"):
        return ", ".join(choices) if len(choices) <= MOST_CHOICES else f"one of {len(choices)}, such as {choices[0]}"
    if forms := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(type_of(each, schemas) for each in forms))
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'], schemas)}"
    if held := schema.get("additionalProperties"):
        return f"object of {type_of(held, schemas)}"
    return _word_of(schema) + _bounds(schema)


def _word_of(schema: Schema) -> str:
    names = (str(schema.get("format")), str(schema.get("type", "anything")))
    return next((_WORDS[name] for name in names if name in _WORDS), names[1])


_WORDS = {"string": "text", "uuid": "UUID", "date-time": "time (RFC 3339)", "boolean": "true or false"}


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum", BOUNDLESS)
    if least is None:
        return ""
    return f" from {least}" if most >= BOUNDLESS else f" from {least} to {most}"


def _text_of(schema: Schema, schemas: Schema) -> str:
    forms = [_resolved(each, schemas) for each in schema.get("anyOf", ())]
    texts = [schema, _resolved(schema, schemas), *forms]
    return next((each["description"] for each in texts if "description" in each), "")


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
