"""An operation as a line for a shell."""

import json
from collections.abc import Callable, Mapping
from shlex import quote
from typing import Any
from urllib.parse import quote as percent_encoded
from urllib.parse import urlencode

from shared.http.docs.operations import Documented


def address_of(operation: Documented, values: Mapping[str, str]) -> str:
    """Return the path and the query of a request; what has no value is left out of the query."""
    path, query = operation.path, []
    for each in operation.parameters:
        value = values.get(each.name, "")
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", percent_encoded(value, safe=""))
        elif each.place == "query" and value:
            query.append((each.name, value))
    return path + ((query and f"?{urlencode(query)}") or "")


def curl_line(operation: Documented, *, url: str, token: str | None, own: Callable[[str], str]) -> str:
    """
    Return the example of an operation, to be pasted.

    :param url: of the service.
    :param token: as a shell reads it; None where no token is needed.
    :param own: makes an example be the reader's.
    """
    values = examples_of(operation, own=own)
    parts = [f"curl -i {quote(url + address_of(operation, values))}"]
    if token:
        parts.append(f'-H "Authorization: Bearer {token}"')
    parts += [
        f"-H {quote(f'{each.name}: {values[each.name]}')}"
        for each in operation.parameters
        if each.place == "header" and each.is_required
    ]
    if operation.body:
        parts.append(f"-H 'Content-Type: {operation.body.media_type}'")
        parts.append(f"-d {quote(own(as_json(operation.body.example, indent=None)))}")
    elif operation.method != "GET":
        parts.insert(1, f"-X {operation.method}")
    return " \\\n  ".join(parts)


def examples_of(operation: Documented, *, own: Callable[[str], str]) -> Mapping[str, str]:
    """Return the examples of the parameters that are needed, by name."""
    return {each.name: own(each.example) for each in operation.parameters if each.is_required}


def as_json(value: Any, *, indent: int | None = 2) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
