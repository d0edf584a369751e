"""What all events have in common."""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """
    Something that happened; its tag is the `type` column of the event log.

    Fields are only ever added, with a default. A changed meaning raises the log's `schema` and brings an upcaster.
    """


def type_of(event: Event) -> str:
    """The name an event has in the log, such as `handle-changed`."""
    return str(event.__struct_config__.tag)
