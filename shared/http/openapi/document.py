"""Describe a service in OpenAPI 3.1, at start-up and from its list of operations."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec

from shared.http.middleware.auth import AUTH_PROBLEMS
from shared.http.openapi.examples import example_of
from shared.http.problems import MEDIA_TYPE, ProblemDetails
from shared.problems import Problem

SchemaHook = Callable[[type], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """
    A parameter in `path`, `query` or `header`; its type is anything msgspec can describe.

    :param explode: several values are given one by one, rather than with commas in between.
    """

    name: str
    place: str
    type: Any
    text: str
    explode: bool = True

    @property
    def is_required(self) -> bool:
        """Whether a request must have it: an address has every key of its path."""
        return self.place == "path"


class OperationTag(NamedTuple):
    """A subject that some operations have in common."""

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """
    One method on one path, as a client sees it.

    :param name: of the function that a generated client has for it.
    :param scopes: what it needs besides the scope of the service.
    :param example: of the body, where its schema is not example enough.
    """

    name: str
    tag: OperationTag
    method: str
    path: str
    summary: str
    answer: Any
    description: str = ""
    answer_media_type: str = "application/json"
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[Parameter] = ()
    body: Any = None
    body_media_type: str = "application/json"
    example: Any = None
    problems: Sequence[Problem] = ()
    scopes: Sequence[str] = ()
    other_answers: Mapping[int, str] = field(default_factory=dict)


def openapi(
    *,
    title: str,
    description: str,
    operations: Iterable[Operation],
    scope: str,
    schema_hook: SchemaHook | None = None,
    examples: Iterable[msgspec.Struct] = (),
) -> dict[str, Any]:
    """
    Describe the operations; schemas are made by msgspec, types that it does not know by `schema_hook`.

    :param scope: what a token must have for any of them.
    :param examples: of types whose fields do not say by themselves what they may hold.
    """
    operations = tuple(operations)
    schemas = _Schemas([ProblemDetails, *_types(operations)], schema_hook, examples)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, schemas) | {"security": [{"bearer": [scope, *operation.scopes]}]}
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    problems = {problem.name: problem for each in operations for problem in _problems(each)}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version("muster"), "description": description, **_ABOUT},
        "servers": [{"url": "."}],  # the directory of the document, which a proxy may serve under any path
        "tags": [tag._asdict() for tag in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "examples": {name: _example(problems[name]) for name in sorted(problems)},
            "securitySchemes": {"bearer": _BEARER},
        },
    }


_PARAM = re.compile(r"^:param (\w+): ", re.MULTILINE)
_ABOUT = {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}, "contact": {"name": "The Muster authors"}}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token with the scopes named at each operation; see docs/security.md.",
}


class _Schemas:
    def __init__(self, types: Iterable[Any], hook: SchemaHook | None, examples: Iterable[msgspec.Struct]) -> None:
        unique = list({repr(each): each for each in types}.values())
        described, self.components = msgspec.json.schema_components(
            unique, schema_hook=hook, ref_template="#/components/schemas/{name}"
        )
        self._by_type = {repr(each): schema for each, schema in zip(unique, described, strict=True)}
        for schema in self.components.values():
            _suit_generators(schema)
        for each in examples:
            self.components[type(each).__name__]["examples"] = [msgspec.to_builtins(each)]

    def of(self, each: Any) -> Any:
        return self._by_type[repr(each)]

    def content(self, media_type: str, kind: Any, example: Any = None) -> dict[str, Any]:
        """Describe a body, with an example."""
        schema = self.of(kind)
        return {media_type: {"schema": schema, "example": example or example_of(schema, self.components)}}


def _suit_generators(schema: dict[str, Any]) -> None:
    """
    Say what msgspec says so that generators of clients take it as it is meant.

    A field with a default counts as one that is always there, an array of pairs has items, and what a docstring says of
    a field stands there.
    """
    about, *_ = whole = _PARAM.split(schema.get("description", ""))
    texts = dict(zip(whole[1::2], whole[2::2], strict=True))
    if texts:
        schema["description"] = about.strip()
    for name, each in schema.get("properties", {}).items():
        default = each.pop("default", None)
        said = [each.get("description"), texts.get(name), _said_of_default(default)]
        if text := " ".join(filter(None, said)):
            each["description"] = " ".join(text.split())
    if kinds := schema.pop("prefixItems", None):
        schema["items"] = kinds[0] if all(each == kinds[0] for each in kinds) else {"anyOf": kinds}


def _said_of_default(default: Any) -> str | None:
    return None if default in (None, [], {}) else f"By default `{msgspec.json.encode(default).decode()}`."


def _types(operations: Iterable[Operation]) -> Iterable[Any]:
    for operation in operations:
        yield operation.answer
        yield from (parameter.type for parameter in operation.parameters)
        if operation.body is not None:
            yield operation.body


def _describe(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag.name],
        "summary": operation.summary,
        "description": operation.description or f"{operation.summary}.",
        "parameters": [_parameter(each, schemas) for each in operation.parameters],
        "responses": _answers(operation, schemas),
    }
    if operation.body is not None:
        content = schemas.content(operation.body_media_type, operation.body, operation.example)
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas.of(parameter.type)
    described = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.text,
        "schema": schema,
    }
    if parameter.is_required:
        described["example"] = example_of(schema, schemas.components, name=parameter.name)
    return described if parameter.explode else described | {"style": "form", "explode": False}


def _answers(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in operation.answer_headers.items()
    }
    content = schemas.content(operation.answer_media_type, operation.answer)
    answers: dict[str, Any] = {"200": {"description": "Done", "headers": headers, "content": content}}
    answers |= {str(status): {"description": text} for status, text in operation.other_answers.items()}
    for problem in _problems(operation):
        _add_problem(answers, problem, schemas)
    return answers


def _problems(operation: Operation) -> Iterable[Problem]:
    return (*operation.problems, *AUTH_PROBLEMS)


def _add_problem(answers: dict[str, Any], problem: Problem, schemas: _Schemas) -> None:
    content = {MEDIA_TYPE: {"schema": schemas.of(ProblemDetails), "examples": {}}}
    answer = answers.setdefault(str(problem.status), {"description": "", "content": content})
    answer["description"] = "; ".join(filter(None, (answer["description"], f"`{problem.name}`: {problem.title}")))
    examples = answer["content"][MEDIA_TYPE]["examples"]
    examples[problem.name] = {"$ref": f"#/components/examples/{problem.name}"}


def _example(problem: Problem) -> dict[str, Any]:
    details = ProblemDetails(problem.type, problem.title, problem.status, problem.title, request_id="019ac3f0b1c27b7d")
    return {"summary": problem.title, "value": msgspec.to_builtins(details)}
