"""Describe a service in OpenAPI 3.1, at start-up and from its list of operations."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.http.auth_middleware import AUTH_PROBLEMS
from shared.http.problems import MEDIA_TYPE, ProblemDetails
from shared.problems import Problem

SchemaHook = Callable[[type], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter in `path`, `query` or `header`; its type is anything msgspec can describe."""

    name: str
    place: str
    type: Any
    text: str
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path, as a client sees it."""

    method: str
    path: str
    summary: str
    answer: Any
    public_answer: Any = None
    """The answer to callers that may see less, if it is another."""
    description: str = ""
    answer_media_type: str = "application/json"
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[Parameter] = ()
    body: Any = None
    body_media_type: str = "application/json"
    problems: Sequence[Problem] = ()
    scopes: Sequence[str] = ()
    """What it needs besides the scope of the service."""
    other_answers: Mapping[int, str] = field(default_factory=dict)


def openapi(
    *,
    title: str,
    version: str,
    description: str,
    operations: Iterable[Operation],
    scope: str,
    schema_hook: SchemaHook | None = None,
) -> dict[str, Any]:
    """
    Describe the operations; schemas are made by msgspec, types that it does not know by `schema_hook`.

    :param scope: what a token must have for any of them.
    """
    operations = tuple(operations)
    schemas = _Schemas([ProblemDetails, *_types(operations)], schema_hook)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, schemas) | {"security": [{"bearer": [scope, *operation.scopes]}]}
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "."}],  # the directory of the document, which a proxy may serve under any path
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": {"bearer": _BEARER}},
    }


_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token with the scopes named at each operation; see docs/security.md.",
}


class _Schemas:
    def __init__(self, types: Iterable[Any], hook: SchemaHook | None) -> None:
        unique = list({repr(each): each for each in types}.values())
        described, self.components = msgspec.json.schema_components(
            unique, schema_hook=hook, ref_template="#/components/schemas/{name}"
        )
        self._by_type = {repr(each): schema for each, schema in zip(unique, described, strict=True)}

    def of(self, each: Any) -> Any:
        return self._by_type[repr(each)]


def _types(operations: Iterable[Operation]) -> Iterable[Any]:
    for operation in operations:
        yield from filter(None, (operation.answer, operation.public_answer))
        yield from (parameter.type for parameter in operation.parameters)
        if operation.body is not None:
            yield operation.body


def _describe(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}{operation.path}".translate(str.maketrans("/{}-", "____")),
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_parameter(each, schemas) for each in operation.parameters],
        "responses": _answers(operation, schemas),
    }
    if operation.body is not None:
        content = {operation.body_media_type: {"schema": schemas.of(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.text,
        "schema": schemas.of(parameter.type),
    }


def _answers(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in operation.answer_headers.items()
    }
    content = {operation.answer_media_type: {"schema": _answer(operation, schemas)}}
    answers: dict[str, Any] = {"200": {"description": "Done", "headers": headers, "content": content}}
    answers |= {str(status): {"description": text} for status, text in operation.other_answers.items()}
    for problem in (*operation.problems, *AUTH_PROBLEMS):
        _add_problem(answers, problem, schemas)
    return answers


def _answer(operation: Operation, schemas: _Schemas) -> Any:
    schema = schemas.of(operation.answer)
    if operation.public_answer is None:
        return schema
    return {"anyOf": [schema, schemas.of(operation.public_answer)]}


def _add_problem(answers: dict[str, Any], problem: Problem, schemas: _Schemas) -> None:
    content = {MEDIA_TYPE: {"schema": schemas.of(ProblemDetails)}}
    answer = answers.setdefault(str(problem.status), {"description": "", "content": content})
    answer["description"] = "; ".join(filter(None, (answer["description"], f"`{problem.name}`: {problem.title}")))
