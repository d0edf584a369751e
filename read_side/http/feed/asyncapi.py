"""The change feed as AsyncAPI 3 describes it: `GET /asyncapi.json`, made of what OpenAPI says of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get

ASYNCAPI = "/asyncapi.json"

_DESCRIPTION = (
    "What has changed in the directory, as CloudEvents 1.0 in JSON, in the order of the event log. The id of an event "
    "of the stream is its position: a client that connects again with `Last-Event-ID` meets each change exactly once."
)


def asyncapi(openapi: Mapping[str, Any], *, stream: str) -> dict[str, Any]:
    """
    :param openapi: the OpenAPI document of the read API.
    :param stream: the path at which it is followed.
    """
    operation, components = openapi["paths"][stream]["get"], openapi["components"]
    about = {"version": openapi["info"]["version"], "license": {"name": openapi["info"]["license"]["name"]}}
    binding = {"method": "GET", "query": _query(operation["parameters"]), "bindingVersion": "0.3.0"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Muster change feed", "description": _DESCRIPTION, **about},
        "defaultContentType": "application/json",
        "servers": {"read": _SERVER},
        "channels": {"changes": {"address": stream, "title": operation["summary"], "messages": _MESSAGES}},
        "operations": {
            operation["operationId"]: {
                "action": "send",
                "channel": {"$ref": "#/channels/changes"},
                "summary": operation["summary"],
                "description": operation["description"],
                "bindings": {"http": binding},
            }
        },
        "components": {
            "messages": {"change": _MESSAGE},
            "schemas": {name: components["schemas"][name] for name in ("ChangeEvent", "ChangeData")},
            "securitySchemes": components["securitySchemes"],
        },
    }


def asyncapi_route(document: Mapping[str, Any]) -> Any:
    """Make the route that serves the description."""
    as_json = msgspec.json.encode(document)

    @get(ASYNCAPI)
    async def asyncapi_json() -> Response[bytes]:
        return Response(as_json, media_type="application/json")

    return asyncapi_json


_SERVER = {
    "host": "{host}",
    "protocol": "http",
    "description": "The read API.",
    "variables": {"host": {"default": "127.0.0.1:8002"}},
    "security": [{"$ref": "#/components/securitySchemes/bearer"}],
}
_MESSAGES = {"change": {"$ref": "#/components/messages/change"}}
_MESSAGE = {
    "name": "change",
    "title": "A change",
    "summary": "That an account, a profile, a group or a membership was changed, and in which fields.",
    "contentType": "application/json",
    "payload": {"$ref": "#/components/schemas/ChangeEvent"},
}


def _query(parameters: list[Mapping[str, Any]]) -> dict[str, Any]:
    named = {each["name"]: each for each in parameters if each["in"] == "query"}
    described = {name: {**each["schema"], "description": each["description"]} for name, each in named.items()}
    return {"type": "object", "properties": described}
