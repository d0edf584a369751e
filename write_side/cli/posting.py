"""Many commands at once: from a file, or made up."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from shared.cli.exit_codes import WrongUsage
from shared.cli.extras import require_extra
from shared.cli.options import Json
from shared.cli.output import say
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.client.lines import Source
    from shared.client.run import Posting
    from write_side.cli.dry_run import DryRun

Count = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Seed = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=999_999_999))]
"""It is part of every handle, which has 64 characters."""


def import_commands(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    map: Annotated[list[str] | None, Parameter(allow_leading_hyphen=True)] = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    no_mail: Annotated[bool, Parameter(negative=())] = False,
    write_url: str | None = None,
    json: Json = False,
) -> int:
    """
    Post a file of commands, one JSON object a line, or a table of people (CSV); running it again does nothing twice.

    A table has a header; its rows are registrations. Columns go to the fields that they are called like. Cells of tags
    are separated by semicolons; those of links and attributes are JSON objects, or have columns of their own.

    :param file: a path, or - for stdin.
    :param map: COLUMN=field for a column with another name, COLUMN=attributes.NAME, or COLUMN= to leave it out.
    :param dry_run: post nothing; list what would be refused.
    :param no_mail: write to no person because of it: they are in another directory already.
    :param write_url: the write API, if it is not the one in MUSTER_WRITE_URL or of this home.
    """
    from shared.client.importing import import_file  # noqa: PLC0415 - nor an HTTP client for --help

    with _checking(json) if dry_run else _posting(write_url, as_json=json, mail=not no_mail) as posting:
        return import_file(file, posting, table=partial(_table, fields=_fields_of_columns(map or ())))


def seed(*, people: Count, groups: Count = 0, seed: Seed = 1, write_url: str | None = None, json: Json = False) -> int:
    """
    Make synthetic people and groups; the same seed makes the same, so that running it again changes nothing.

    No mail is sent to them.

    :param people: how many.
    :param groups: how many; the first has the most members.
    :param seed: those of different seeds can live together.
    :param write_url: the write API, if it is not the one in MUSTER_WRITE_URL or of this home.
    """
    require_extra("seed", "seed", module="faker")
    from shared.client.seeding import seed_people  # noqa: PLC0415 - faker least of all

    with _posting(write_url, as_json=json, mail=False) as posting:
        return seed_people(people, groups=groups, seed=seed, posting=posting)


def _fields_of_columns(words: Iterable[str]) -> Mapping[str, str]:
    """:raises WrongUsage: one is not written COLUMN=field."""
    fields = {}
    for word in words:
        column, is_mapped, field = word.rpartition("=")
        if not is_mapped:
            raise WrongUsage(f"--map {word}: write COLUMN=field")
        fields[column] = field
    return fields


def _table(source: "Source", *, fields: Mapping[str, str]) -> "Source":
    from write_side.cli.table import Table  # noqa: PLC0415 - nor the use cases where there is none

    table = Table(source, fields)
    if table.left_out:
        say(f"left out, since no field is called so: {', '.join(table.left_out)} (see --map)")
    return table


@contextmanager
def _checking(as_json: bool) -> Iterator["DryRun"]:  # noqa: FBT001 - the option itself
    from shared.cli.api_client import READ_API, blocking_httpx_client  # noqa: PLC0415 - see `import_commands`
    from shared.client.sender import TIMEOUT  # noqa: PLC0415 - likewise
    from write_side.cli.dry_run import DryRun  # noqa: PLC0415 - likewise

    with blocking_httpx_client(READ_API, Settings.here(), timeout=TIMEOUT) as client:
        yield DryRun(client, as_json=as_json)


@contextmanager
def _posting(write_url: str | None, *, as_json: bool, mail: bool) -> Iterator["Posting"]:
    from shared.cli.api_client import WRITE_API, blocking_httpx_client, head_of_log  # noqa: PLC0415 - see `import_commands`
    from shared.client.run import Posting  # noqa: PLC0415 - likewise
    from shared.client.sender import TIMEOUT, SenderLimits  # noqa: PLC0415 - likewise

    environment = {**os.environ, **({"MUSTER_WRITE_URL": write_url} if write_url else {})}
    settings = Settings.load(environment).with_addresses()
    with blocking_httpx_client(WRITE_API, settings, timeout=TIMEOUT) as client:
        if not mail:
            client.headers["Muster-No-Mail"] = "true"
        limits = settings.limits_of(SenderLimits)
        yield Posting(client=client, limits=limits, head=lambda: head_of_log(settings), as_json=as_json)
