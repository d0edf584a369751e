"""`muster get`, `search` and `members`: what the read API serves, in tables for people and JSON for programs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from cyclopts import App, Parameter

from shared.cli.api_client import READ_API, ApiRefused, ask
from shared.cli.exit_codes import WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_json, print_table, say
from shared.cli.references import accounts, completing, groups, profile_path, segment
from shared.text import printable

PEOPLE = ("handle", "display_name", "title", "status", "account_id")
GROUPS = ("slug", "name", "member_count", "group_id")
MEMBERS = ("handle", "display_name", "role", "status", "since")

search = App(name="search", help_format="plaintext")

Person = Annotated[str, Parameter(completer=completing(accounts))]
Group = Annotated[str, Parameter(completer=completing(groups))]
Limit = Annotated[int, Parameter(help="how many at most")]
Cursor = Annotated[str | None, Parameter(help="where to go on, as the last call said")]
Status = Literal["active", "suspended", "closed", "any"]


def get(person: Person, /, *, json: Json = False) -> None:
    """
    Show a person.

    :param person: an id, @handle, ext:<external id> or e-mail address.
    """
    path = profile_path(person) or (f"/profiles/by-email/{segment(person)}" if "@" in person else None)
    if path is None:
        raise WrongUsage(f"{person!r} is no person: give an id, @handle, ext:<external id> or an e-mail address")
    answer = _asked(path, {}, hint="look for them with `muster search people`")
    if json:
        print_json(answer)
    else:
        _print_record(msgspec.json.decode(answer))


@search.command(name="people")
def search_people(
    *words: str,
    status: Status | None = None,
    group: Group | None = None,
    tag: list[str] | None = None,
    sort: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """
    Look for people.

    :param words: each is the beginning of a word of handle, names, title or tags; none for everyone.
    :param status: active unless given.
    :param group: the id or slug of a group they belong to.
    :param tag: one that they carry; several times for several.
    :param sort: display_name, handle, created_at or updated_at; - in front for descending.
    """
    query = {"q": " ".join(words), "status": status, "group": group, "tag": tag, "sort": sort}
    _print_page("/profiles", {**query, "limit": limit, "cursor": cursor}, PEOPLE, as_json=json)


@search.command(name="groups")
def search_groups(
    *words: str, sort: str | None = None, limit: Limit = 50, cursor: Cursor = None, json: Json = False
) -> None:
    """
    Look for groups.

    :param words: each is the beginning of a word of slug or name; none for all.
    :param sort: as the read API takes it; - in front for descending.
    """
    query = {"q": " ".join(words), "sort": sort, "limit": limit, "cursor": cursor}
    _print_page("/groups", query, GROUPS, as_json=json)


def members(
    group: Group, /, *, role: str | None = None, limit: Limit = 50, cursor: Cursor = None, json: Json = False
) -> None:
    """
    Show the members of a group, in the order in which they joined.

    :param group: its id or slug.
    :param role: only those with this role.
    """
    query = {"role": role, "limit": limit, "cursor": cursor}
    _print_page(f"/groups/{segment(group)}/members", query, MEMBERS, as_json=json)


def _print_page(path: str, query: Mapping[str, Any], columns: Sequence[str], *, as_json: bool) -> None:
    answer = _asked(path, query, hint="list groups with `muster search groups`")
    if as_json:
        print_json(answer)
        return
    page = msgspec.json.decode(answer)
    print_table(columns, ([_text(record.get(name)) for name in columns] for record in page["items"]))
    if page["next_cursor"]:
        say(f"there are more: go on with --cursor {page['next_cursor']}")


def _asked(path: str, query: Mapping[str, Any], *, hint: str) -> bytes:
    """:raises ApiRefused: what is asked for is not there, or the question is wrong."""
    given = {name: value for name, value in query.items() if value is not None and value != ""}
    try:
        return ask(READ_API, f"{path}?{urlencode(given, doseq=True)}" if given else path)
    except ApiRefused as refusal:
        not_found = refusal.problem.name in {"profile-not-found", "group-not-found"}
        raise ApiRefused(refusal.problem, status=refusal.status, hint=hint if not_found else "") from None


def _print_record(record: Mapping[str, Any]) -> None:
    """Print the fields that hold something, one a line."""
    print_table(("field", "value"), ((name, _text(value)) for name, value in record.items() if value not in _NOTHING))


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case dict():
            return ", ".join(f"{_text(name)}: {_text(each)}" for name, each in value.items())
        case list():
            return ", ".join(each["slug"] if isinstance(each, dict) else _text(each) for each in value)
    return printable(str(value))
