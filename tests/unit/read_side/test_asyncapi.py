"""The change feed as AsyncAPI describes it: kept in step with what is served, since it is made of the same."""

import jsonschema_rs
import pytest

from read_side.http.documentation import document as openapi
from read_side.http.feed.asyncapi import asyncapi
from read_side.http.resources.change_stream import PATH


@pytest.fixture
async def described(client):
    return (await client.get("/asyncapi.json")).json()


def refs(value):
    """Everything that a document refers to in itself."""
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from [each] if name == "$ref" else refs(each)


def at(document, ref):
    for name in ref.removeprefix("#/").split("/"):
        document = document[name]
    return document


async def test_it_is_served_to_everybody_and_whole(described):
    assert described == asyncapi(openapi(), stream=PATH)
    assert described["asyncapi"] == "3.0.0"
    assert all(at(described, ref) for ref in refs(described))


async def test_what_the_feed_serves_is_what_it_describes(client, directory, described):
    message = described["components"]["messages"]["change"]
    schema = {**message["payload"], "components": described["components"]}

    items = (await client.get("/changes")).json()["items"]

    assert len(items) == 4
    for each in items:
        jsonschema_rs.validate(schema, each)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, items[0] | {"sequence": 0})


async def test_it_names_the_parameters_of_the_stream(client, directory, described):
    [operation] = described["operations"].values()
    query = operation["bindings"]["http"]["query"]["properties"]

    refused = await client.get(PATH, params=dict.fromkeys([*query, "other"], "-"))

    wrong = {each["pointer"].removeprefix("?") for each in refused.json()["errors"]}
    assert wrong - {"other"} <= query.keys()
    assert "other" in wrong
    assert {"after", "type", "account", "group"} <= query.keys()
