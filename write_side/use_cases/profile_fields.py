"""The limits of a profile's collections, for every command that sets them."""

from typing import Annotated

from msgspec import Meta

from write_side.domain.values import Label, Link, Note, Tag

_LABELLED = {"propertyNames": Label.schema()}
"""msgspec describes the values of an object, but not its names."""

Links = Annotated[
    dict[Label, Link],
    Meta(
        max_length=50, extra_json_schema=_LABELLED, description="Where the person is to be found, by name: 50 at most."
    ),
]
Tags = Annotated[
    tuple[Tag, ...], Meta(max_length=50, description="Words by which people are found together: 50 at most.")
]
Attributes = Annotated[
    dict[Label, Note],
    Meta(
        max_length=100,
        extra_json_schema=_LABELLED,
        description="What else is known of the person, by name: 100 at most.",
    ),
]
