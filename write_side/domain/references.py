"""How commands name what they are about."""

import re
from typing import Any, Self
from uuid import UUID

from write_side.domain.values import DASHED_UUID, ExternalId, Handle, InvalidValue, Reference, Slug


class AccountRef(Reference[UUID | Handle | ExternalId]):
    """Names an account: by its id, by its handle or by its id in another system."""

    rule = "must be an account id, @handle or ext:<external id>"

    __slots__ = ()

    @property
    def kind(self) -> str:
        """By what it names the account, in words."""
        match self.by:
            case Handle():
                return "handle"
            case ExternalId():
                return "external id"
        return "id"

    @classmethod
    def parse(cls, given: object) -> Self:
        """:raises InvalidValue: it is none of the three forms."""
        if not isinstance(given, str):
            raise InvalidValue(cls.rule)
        if given.startswith("@"):
            return cls(Handle.parse(given[1:]), given)
        if given.startswith("ext:"):
            return cls(ExternalId.parse(given[4:]), given)
        # UUID itself takes all that `int` takes for digits: signs, spaces, underscores and every script's.
        if not re.fullmatch(rf"{DASHED_UUID}|[0-9a-fA-F]{{32}}", given):
            raise InvalidValue(cls.rule)
        return cls(UUID(given), given)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        forms = [
            {"type": "string", "format": "uuid"},
            {"type": "string", "pattern": f"^@{Handle.pattern}$", "maxLength": Handle.longest + 1},
            {"type": "string", "pattern": f"^ext:{ExternalId.pattern}$", "minLength": 5, "maxLength": 259},
        ]
        return {"anyOf": forms, "description": f"It {cls.rule}.", "examples": ["@andre"]}


class GroupRef(Reference[UUID | Slug]):
    """Names a group: by its id, if it looks like one, else by its slug, in any case of letters."""

    rule = "must be a group id or a slug"

    __slots__ = ()

    @property
    def kind(self) -> str:
        """By what it names the group, in words."""
        return "slug" if isinstance(self.by, Slug) else "id"

    @classmethod
    def parse(cls, given: object) -> Self:
        """:raises InvalidValue: it is neither."""
        if not isinstance(given, str):
            raise InvalidValue(cls.rule)
        if re.fullmatch(DASHED_UUID, given):
            return cls(UUID(given), given)
        # Letters that become those of a slug without case, such as the Kelvin sign, are not taken for them.
        return cls(Slug.parse(given.lower() if given.isascii() else given), given)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        forms = [
            {"type": "string", "format": "uuid"},
            {"type": "string", "pattern": f"^{Handle.pattern}$", "maxLength": Slug.longest},
        ]
        return {"anyOf": forms, "description": f"It {cls.rule}.", "examples": ["ssju"]}
