"""A read resource as a value, from which the application, its documentation, its gauges and its probe are derived."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from read_side.http.endpoints import Endpoint, PathKey
from read_side.http.parameters.fields import RecordFields
from read_side.views import Variant
from shared.http.openapi.document import Parameter
from shared.problems import Problem

Opened: TypeAlias = Mapping[type[Any], Any]
"""The views that are open, by their ports; and the `BodyReader`."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """
    An operation at one path, as the documentation describes it.

    :param name: of the function that a generated client has for it.
    :param path: with the names of its keys in braces.
    :param public: the record as callers without the private scope may see it, if that is less.
    :param is_whole: no fields can be chosen among those of the answer.
    :param is_private: other callers may not ask at all: the answer would say whose a private key is.
    """

    name: str
    path: str
    summary: str
    answer: Any
    public: type[msgspec.Struct] | None = None
    description: str = ""
    parameters: Sequence[Parameter] = ()
    problems: Sequence[Problem] = ()
    is_whole: bool = False
    is_private: bool = False

    @cached_property
    def fields(self) -> RecordFields:
        """Of the records in its answer."""
        return RecordFields.of_answer(self.answer, self.public)


@dataclass(frozen=True, kw_only=True)
class ReadRoute(Route, ABC):
    """
    A route that answers from what is kept.

    :param keys: of the path, in its order.
    :param method: `GET`, or `POST` where the query stands in a body.
    :param body: what it takes then.
    """

    keys: Sequence[PathKey] = ()
    method: str = "GET"
    body: Any = None

    @abstractmethod
    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> Endpoint:
        """Make what answers, of the variant that callers may see, on the views of `port`."""


@dataclass(frozen=True, kw_only=True)
class StreamRoute(Route):
    """
    A route that answers `GET` bit by bit, some without an end.

    :param handler: answers, as a handler of the framework.
    :param scope: that callers need besides.
    """

    handler: Any
    media_type: str
    scope: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """
    The routes and the port by which one projection is served.

    :param name: of the projection.
    :param port: the views that it is read through.
    :param probe: a question that only the whole way from the log can answer; 404 is an answer too.
    """

    name: str
    port: type[Any]
    routes: Sequence[ReadRoute]
    streams: Sequence[StreamRoute] = ()
    probe: str
