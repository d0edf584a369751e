"""Values that hold only what is allowed: what has been parsed need not be checked again."""

import inspect
import re
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar
from zoneinfo import available_timezones

import msgspec

from shared.text import composed, shows, unique_email, unique_external_id, unique_handle, unique_slug

By = TypeVar("By")

_NO_CONTROL_CHARACTERS = r"[^\x00-\x1f\x7f-\x9f]*"
DASHED_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_compiled = cache(re.compile)


class InvalidValue(ValueError):
    """What was given is not such a value; the message says what would be."""


def meaning_of(kind: type[Any]) -> str:
    """Return what a value is: the first clause that its class says of it."""
    clause, *_ = re.split(r"[;:\n]", inspect.getdoc(kind) or "")
    return f"{clause.rstrip('.')}."


class Text(str):
    """Text of limited length in Unicode's NFC, without control characters."""

    __slots__ = ()

    shortest: ClassVar[int] = 1
    longest: ClassVar[int]
    pattern: ClassVar[str] = _NO_CONTROL_CHARACTERS
    rule: ClassVar[str] = "must not contain control characters"
    examples: ClassVar[tuple[str, ...]]

    @classmethod
    def parse(cls, given: object) -> Self:
        """:raises InvalidValue: it is too short or too long, counted in code points of NFC, or breaks the rule."""
        if not isinstance(given, str):
            raise InvalidValue("must be text")
        # Composing makes one code point of four at most: what is longer need not be looked at.
        text = given if given.isascii() or len(given) > 4 * cls.longest else composed(given)
        if not cls.shortest <= len(text) <= cls.longest:
            raise InvalidValue(f"must be {cls.shortest} to {cls.longest} characters long, not {len(text)}")
        if not _compiled(cls.pattern).fullmatch(text):
            raise InvalidValue(cls.rule)
        return cls(text)

    @classmethod
    def _described(cls) -> str:
        """Say what it is, by the class or, where that is all of it, by the rule; then the rule."""
        whole = re.match(r"must be (an? .*)", cls.rule)
        return f"{whole[1][0].upper()}{whole[1][1:]}." if whole else f"{meaning_of(cls)} It {cls.rule}."

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The rule as JSON Schema."""
        bounds = {"minLength": cls.shortest, "maxLength": cls.longest}
        about = {"description": cls._described(), "examples": list(cls.examples)}
        return {"type": "string", **bounds, "pattern": f"^{cls.pattern}$", **about}


class EmailAddress(Text):
    """An e-mail address; two are the same if mail to them is, see `shared.text.unique_email`."""

    __slots__ = ()
    examples = ("andre@example.org",)
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
    examples = ("andre",)
    longest = 64
    pattern = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    rule = "must be made of A-Z a-z 0-9 . _ - with a letter or digit first and last"

    @property
    def unique(self) -> str:
        return unique_handle(self)


class Slug(Text):
    """The short name by which a group is addressed; none looks like an id, so that a reference is one or the other."""

    __slots__ = ()
    examples = ("ssju",)
    longest = 64
    pattern = rf"(?!{DASHED_UUID}$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?"
    rule = "must be made of a-z 0-9 . _ - with a letter or digit first and last, and not look like an id"

    @property
    def unique(self) -> str:
        return unique_slug(self)


class ExternalId(Text):
    """The id of a person or a group in another system."""

    __slots__ = ()
    examples = ("hr:4711",)
    longest = 255

    @property
    def unique(self) -> str:
        return unique_external_id(self)


class Name(Text):
    """A display name, a given or a family name, the name of a group."""

    __slots__ = ()
    examples = ("André Carson",)
    longest = 200

    @classmethod
    def parse(cls, given: object) -> Self:
        name = super().parse(given)
        if not shows(name):
            raise InvalidValue("must not be made of white space and invisible characters alone")
        return name


class Title(Text):
    """What a person is, such as `Senator`."""

    __slots__ = ()
    examples = ("Representative",)
    longest = 200


class Bio(Text):
    """What a person writes about themselves."""

    __slots__ = ()
    examples = ("Grew up in Indianapolis.",)
    shortest = 0
    longest = 4000


class Description(Text):
    """What a group is for."""

    __slots__ = ()
    examples = ("Judges and their nominations.",)
    shortest = 0
    longest = 4000


class Role(Text):
    """What a member is in a group, such as `Chairman`."""

    __slots__ = ()
    examples = ("Chairman",)
    longest = 200


_LANGUAGE = r"([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})"
_SCRIPT_AND_REGION = r"(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
_VARIANTS_AND_EXTENSIONS = r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+)*"
_PRIVATE = r"[Xx](-[A-Za-z0-9]{1,8})+"
_GRANDFATHERED = (
    r"[Ii]-(ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|en-GB-oed|sgn-(BE-FR|BE-NL|CH-DE)"
)


class Locale(Text):
    """A well-formed language tag (BCP 47, RFC 5646, section 2.1), of any language."""

    __slots__ = ()
    examples = ("en-US",)
    shortest = 2
    longest = 255
    pattern = rf"({_LANGUAGE}{_SCRIPT_AND_REGION}{_VARIANTS_AND_EXTENSIONS}(-{_PRIVATE})?|{_PRIVATE}|{_GRANDFATHERED})"
    rule = "must be a language tag such as en-US (BCP 47)"


class TimeZone(Text):
    """A time zone by its name in the IANA database; not what is the machine's, or none."""

    __slots__ = ()
    examples = ("America/Indiana/Indianapolis",)
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
        return super().schema() | {"format": "time-zone"}


_NO_ZONES = ("localtime", "Factory", "posix", "right")


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zone for zone in available_timezones() if not zone.startswith(_NO_ZONES))


class Url(Text):
    """An absolute address with an authority (RFC 3986, section 3), of any scheme."""

    __slots__ = ()
    examples = ("https://carson.example/",)
    longest = 2000
    pattern = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f-\x9f]+"
    rule = "must be an absolute URL such as https://example.org/"


class Link(Text):
    """
    An absolute address, or where to write or to call.

    People's links are taken as published, misspelt or not. A page that shows one as a link must look at its scheme.
    """

    __slots__ = ()
    examples = ("https://carson.example/", "mailto:andre@carson.example")
    longest = 2000
    pattern = rf"(([Mm][Aa][Ii][Ll][Tt][Oo]|[Tt][Ee][Ll]):[^\s\x00-\x1f\x7f-\x9f]+|{Url.pattern})"
    rule = "must be an absolute URL such as https://example.org/, mailto:andre@example.org or tel:+1-202-555-0100"


class MailedText(Text):
    """A token as it stands in a mail: letters, digits, `-` and `_`; whether it is good is for the command to say."""

    __slots__ = ()
    examples = ("AQGZYVnDtwfmQ",)
    longest = 200


class Tag(Text):
    """A word by which people are found together."""

    __slots__ = ()
    examples = ("house",)
    longest = 64


class Label(Text):
    """The name of a link or of an attribute."""

    __slots__ = ()
    examples = ("home",)
    longest = 64


class Note(Text):
    """The value of an attribute, or why something was done."""

    __slots__ = ()
    examples = ("asked for it",)
    shortest = 0
    longest = 2000


class Reference(Generic[By]):
    """Names an aggregate by something that it alone has; `text` is how it was written."""

    rule: ClassVar[str]

    __slots__ = ("by", "text")

    def __init__(self, by: By, text: str) -> None:
        self.by = by
        self.text = text

    def __str__(self) -> str:
        return self.text


def parse_value(kind: type[Any], given: object) -> Any:
    """Make a value while a command is decoded."""
    return kind.parse(given)


def value_schema(kind: type[Any]) -> dict[str, Any]:
    """Describe a value in an OpenAPI document."""
    schema: dict[str, Any] = kind.schema()
    return schema


def plain(value: Any) -> Any:
    """The same without our types, all of which are texts, as events and JSON have it."""
    return msgspec.to_builtins(value, enc_hook=str)
