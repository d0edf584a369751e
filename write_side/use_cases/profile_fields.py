"""The limits of a profile's collections, for every command that sets them."""

from typing import Annotated

from msgspec import Meta

from write_side.domain.values import Label, Link, Note, Tag

_LABELLED = {"propertyNames": Label.schema()}
"""msgspec describes the values of an object, but not its names."""

Links = Annotated[dict[Label, Link], Meta(max_length=50, extra_json_schema=_LABELLED)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=50)]
Attributes = Annotated[dict[Label, Note], Meta(max_length=100, extra_json_schema=_LABELLED)]
