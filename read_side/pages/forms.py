"""The forms of the page: which fields they have, what a browser sends of them, and which command that makes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from shared.http.parsing.forms import Form
from shared.problems import FieldError
from shared.read_model.records import GroupRecord, ProfileRecord, PublicProfileRecord

BLANK_ROWS = 2
"""Of pairs, for what is added."""

Value = str | list[tuple[str, str]]


class FormField(NamedTuple):
    """
    A field as it is shown.

    :param kind: of the input; `area` has lines, `lines` has one value a line, `pairs` has names and values.
    :param has_default: what is empty is not sent, rather than none.
    """

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    is_required: bool = False
    is_private: bool = False
    has_default: bool = False


NAME = FormField("display_name", "Name", is_required=True)
PROFILE = (
    NAME,
    FormField("given_name", "Given name"),
    FormField("family_name", "Family name"),
    FormField("title", "Title"),
    FormField("bio", "About them", "area"),
    FormField("locale", "Language", hint="Such as en-GB"),
    FormField("time_zone", "Time zone", hint="Such as Europe/London"),
    FormField("tags", "Tags", "lines", hint="One a line"),
    FormField("picture_url", "Picture", "url", hint="Its address; the page links to it"),
    FormField("links", "Links", "pairs"),
    FormField("attributes", "Attributes", "pairs", is_private=True),
)
"""Of `update-profile`, all of which it replaces."""

REGISTRATION = (
    NAME,
    FormField("handle", "Handle", hint="How they are addressed: letters, digits and . _ -", is_required=True),
    FormField("email", "E-mail address", "email", is_required=True),
    FormField("given_name", "Given name"),
    FormField("family_name", "Family name"),
    FormField("title", "Title"),
    FormField("tags", "Tags", "lines", hint="One a line"),
)
HANDLE = (FormField("handle", "Handle", is_required=True),)
EMAIL = (FormField("email", "E-mail address", "email", is_required=True),)
REASON = (FormField("reason", "Reason", hint="It is kept, and shown in the activity"),)
MEMBERSHIP = (
    FormField("group", "Group", hint="Its slug", is_required=True),
    FormField("role", "Role", has_default=True),
)
GROUP = (
    FormField("name", "Name", is_required=True),
    FormField("slug", "Slug", hint="Its address: small letters, digits and . _ -", is_required=True),
    FormField("description", "Description", "area"),
)


class Creation(NamedTuple):
    """
    What a form of something new orders.

    :param key: the field by which it is found at `path` then.
    """

    command: str
    fields: tuple[FormField, ...]
    title: str
    button: str
    path: str
    key: str


CREATIONS: Mapping[str, Creation] = {
    "person": Creation("register-account", REGISTRATION, "Register a person", "Register", "people/", "handle"),
    "group": Creation("create-group", GROUP, "Create a group", "Create", "people/groups/", "slug"),
}
"""By what is new."""


class Action(NamedTuple):
    """
    What a form of a person or a group orders.

    :param version: the field of the record with the version that it is meant for.
    :param is_end: whether the record is gone then; the form has to confirm it.
    """

    command: str
    fields: tuple[FormField, ...] = ()
    version: str | None = None
    is_end: bool = False


OF_A_PERSON: Mapping[str, Action] = {
    "edit": Action("update-profile", PROFILE, "profile_version"),
    "handle": Action("change-handle", HANDLE, "version"),
    "email": Action("change-email", EMAIL, "version"),
    "suspend": Action("suspend-account", REASON),
    "reinstate": Action("reinstate-account"),
    "join": Action("add-group-member", MEMBERSHIP),
    "leave": Action("remove-group-member", MEMBERSHIP[:1]),
}
OF_A_GROUP: Mapping[str, Action] = {
    "edit": Action("update-group", GROUP, "version"),
    "delete": Action("delete-group", version="version", is_end=True),
}
"""By the name of the button."""


def shown_fields(fields: Iterable[FormField], *, sees_private: bool) -> tuple[FormField, ...]:
    """Leave out what the person at the form may not see: what is not sent stays as it is."""
    return tuple(each for each in fields if sees_private or not each.is_private)


def values_of(
    record: PublicProfileRecord | ProfileRecord | GroupRecord, fields: Iterable[FormField]
) -> dict[str, Value]:
    """The values of a record, as a form shows them."""
    return {each.name: _shown(each, getattr(record, each.name, None)) for each in fields}


def values_in(form: Form, fields: Iterable[FormField]) -> dict[str, Value]:
    """The values that a browser sent."""
    return {each.name: _sent(each, form) for each in fields}


def command_fields(values: Mapping[str, Value], fields: Iterable[FormField]) -> dict[str, Any]:
    """
    The fields of a command; what is empty is none.

    :raises Repeated: a name stands twice in what has names.
    """
    meant = {each: _meaning(each)(each, values[each.name]) for each in fields}
    return {each.name: value for each, value in meant.items() if value is not None or not each.has_default}


class Repeated(ValueError):
    """A name stands twice where each is one of a kind."""

    def __init__(self, field: str, name: str) -> None:
        super().__init__(name)
        self.error = FieldError(f"/{field}", f"has {name!r} twice")


def errors_by_field(errors: Iterable[FieldError], fields: Iterable[FormField]) -> tuple[dict[str, str], list[str]]:
    """Return what is wrong by the field it is shown at, and what no field shows."""
    known, elsewhere = {each.name for each in fields}, []
    by_field: dict[str, str] = {}
    for error in errors:
        name, _, rest = error.pointer.removeprefix("/").partition("/")
        if name in known:
            by_field.setdefault(name, f"{rest}: {error.detail}" if rest else error.detail)
        else:
            elsewhere.append(f"{name} {error.detail}")
    return by_field, elsewhere


def _shown(field: FormField, value: Any) -> Value:
    if field.kind == "pairs":
        return [*(value or {}).items()]
    return "\n".join(value) if field.kind == "lines" else value or ""


def _sent(field: FormField, form: Form) -> Value:
    if field.kind == "pairs":
        names, values = form.many(f"{field.name}.name"), form.many(f"{field.name}.value")
        return [pair for pair in zip(names, values, strict=False) if any(pair)]
    return form.one(field.name)


def _pairs(field: FormField, value: Any) -> dict[str, str]:
    names = [name for name, _ in value]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise Repeated(field.name, repeated)
    return dict(value)


def _lines(_: FormField, value: Any) -> list[str]:
    return [line.strip() for line in value.split("\n") if line.strip()]


def _text(field: FormField, value: Any) -> str | None:
    return value if value.strip() or field.is_required else None


def _meaning(field: FormField) -> Callable[[FormField, Any], Any]:
    """What a command says of a value."""
    return _MEANINGS.get(field.kind, _text)


_MEANINGS: Mapping[str, Callable[[FormField, Any], Any]] = {"pairs": _pairs, "lines": _lines}
"""By the kind of a field; of all others it is text."""
