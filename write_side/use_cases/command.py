"""What all commands share."""

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish to change something, decoded and checked field by field."""
