"""What all events have in common."""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """
    Something that happened; its tag is the `type` column of the event log.

    Fields are only ever added, with a default. A changed shape brings an upcaster, which raises `schema`.
    """


def type_of(event: Event | type[Event]) -> str:
    """The name an event has in the log, such as `handle-changed`."""
    return str(event.__struct_config__.tag)
