"""Values that hold only what is allowed: whoever has one need not check it again."""

import re
from functools import cache
from typing import Any, ClassVar, Self
from uuid import UUID
from zoneinfo import available_timezones

from shared.text import composed, unique_email, unique_external_id, unique_handle

_NO_CONTROL_CHARACTERS = r"[^\x00-\x1f\x7f-\x9f]*"


class InvalidValue(ValueError):
    """What was given is not such a value; the message says what would be."""


class Text(str):
    """Text of limited length in Unicode's NFC, without control characters."""

    __slots__ = ()

    shortest: ClassVar[int] = 1
    longest: ClassVar[int]
    pattern: ClassVar[str] = _NO_CONTROL_CHARACTERS
    rule: ClassVar[str] = "must not contain control characters"

    @classmethod
    def parse(cls, given: object) -> Self:
        """:raises InvalidValue: it is too short or too long, counted in code points of NFC, or breaks the rule."""
        if not isinstance(given, str):
            raise InvalidValue("must be text")
        text = composed(given)
        if not cls.shortest <= len(text) <= cls.longest:
            raise InvalidValue(f"must be {cls.shortest} to {cls.longest} characters long, not {len(text)}")
        if not re.fullmatch(cls.pattern, text):
            raise InvalidValue(cls.rule)
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The rule as JSON Schema."""
        bounds = {"minLength": cls.shortest, "maxLength": cls.longest}
        return {"type": "string", **bounds, "pattern": f"^{cls.pattern}$", "description": f"It {cls.rule}."}


class EmailAddress(Text):
    """An e-mail address; two are the same if they differ in case only."""

    __slots__ = ()
    shortest = 3
    longest = 254
    pattern = r"[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+"
    rule = "must be an e-mail address such as andre@example.org"

    @property
    def unique(self) -> str:
        return unique_email(self)


class Handle(Text):
    """The short name by which a person is addressed; two are the same if they differ in case only."""

    __slots__ = ()
    longest = 64
    pattern = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    rule = "must be made of A-Z a-z 0-9 . _ - with a letter or digit first and last"

    @property
    def unique(self) -> str:
        return unique_handle(self)


class ExternalId(Text):
    """The id of a person in another system."""

    __slots__ = ()
    longest = 255

    @property
    def unique(self) -> str:
        return unique_external_id(self)


class Name(Text):
    """A display name, a given or a family name."""

    __slots__ = ()
    longest = 200


class Title(Text):
    """What somebody is, such as `Senator`."""

    __slots__ = ()
    longest = 200


class Bio(Text):
    """What somebody says of himself."""

    __slots__ = ()
    shortest = 0
    longest = 4000


class Locale(Text):
    """A well-formed language tag (BCP 47)."""

    __slots__ = ()
    shortest = 2
    longest = 35
    pattern = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"
    rule = "must be a language tag such as en-US (BCP 47)"


class TimeZone(Text):
    """A time zone by its name in the IANA database."""

    __slots__ = ()
    longest = 64
    rule = "must be a time zone such as Europe/Berlin (IANA)"

    @classmethod
    def parse(cls, given: object) -> Self:
        zone = super().parse(given)
        if zone not in _time_zones():
            raise InvalidValue(cls.rule)
        return zone

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(_time_zones()), "description": f"It {cls.rule}."}


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


class Url(Text):
    """
    An absolute address with an authority (RFC 3986, section 3), of any scheme.

    People's links are taken as published, misspelt or not. Who shows one as a link must look at its scheme.
    """

    __slots__ = ()
    longest = 2000
    pattern = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f-\x9f]+"
    rule = "must be an absolute URL such as https://example.org/"


class Tag(Text):
    """A word by which people are found together."""

    __slots__ = ()
    longest = 64


class Label(Text):
    """The name of a link or of an attribute."""

    __slots__ = ()
    longest = 64


class Note(Text):
    """The value of an attribute, or why something was done."""

    __slots__ = ()
    shortest = 0
    longest = 2000


class AccountRef:
    """Names an account: by its id, by its handle or by its id in another system."""

    rule = "must be an account id, @handle or ext:<external id>"

    __slots__ = ("by", "text")

    def __init__(self, by: UUID | Handle | ExternalId, text: str) -> None:
        self.by = by
        self.text = text

    def __str__(self) -> str:
        return self.text

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
        try:
            return cls(UUID(given), given)
        except ValueError:
            raise InvalidValue(cls.rule) from None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        forms = [
            {"type": "string", "format": "uuid"},
            {"type": "string", "pattern": f"^@{Handle.pattern}$", "maxLength": Handle.longest + 1},
            {"type": "string", "pattern": f"^ext:{ExternalId.pattern}$", "minLength": 5, "maxLength": 259},
        ]
        return {"anyOf": forms, "description": f"It {cls.rule}."}


def parse_value(kind: type[Any], given: object) -> Any:
    """Make a value while a command is decoded."""
    return kind.parse(given)


def value_schema(kind: type[Any]) -> dict[str, Any]:
    """Describe a value in an OpenAPI document."""
    schema: dict[str, Any] = kind.schema()
    return schema


def plain(value: Any) -> Any:
    """The same without our types, as events and JSON have it."""
    match value:
        case Text() | AccountRef():
            return str(value)
        case dict():
            return {plain(name): plain(each) for name, each in value.items()}
        case tuple():
            return tuple(map(plain, value))
    return value
