"""The commands about this machine: `muster up`, `muster doctor`, `muster config`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from cyclopts import Parameter, validators

from shared.cli.options import Json, Workers
from shared.cli.output import print_encoded, print_line, print_result
from shared.dev_stack import bootstrap
from shared.settings import DEFAULT, UNSET, Settings, printable, variable
from shared.settings.limits import known_limits, named_numbers
from shared.wording import counted

Row: TypeAlias = tuple[str, str, str]
"""A name, its value and where that comes from."""

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]


def up(
    *,
    write_port: Port | None = None,
    read_port: Port | None = None,
    ops_port: Port | None = None,
    workers: Workers | None = None,
    fresh: bool = False,
    demo: bool = False,
    nodes: Literal[1, 3, 6] | None = None,
) -> None:
    """
    Start PostgreSQL, Valkey, the migrations and the four processes, and keep them running until Ctrl-C.

    With MUSTER_DATABASE_URL or MUSTER_REDIS_URL it uses your servers instead of its own.

    :param write_port: port of the write API; 0 for any that is free.
    :param read_port: port of the read API; 0 for any that is free.
    :param ops_port: port of the ops API; 0 for any that is free.
    :param workers: processes of the write API, and of the read API, instead of MUSTER_WORKERS; one a core is enough.
    :param fresh: empty the embedded servers first; never touches your own.
    :param demo: fill a new home with sample people and groups, to look at.
    :param nodes: servers for the read models of a new home: 3 are a Valkey Cluster, 6 one with replicas. A home that
        has them is started with as many again.
    """
    given = {
        "write_port": write_port,
        "read_port": read_port,
        "ops_port": ops_port,
        "workers": workers,
    }
    settings = msgspec.structs.replace(
        Settings.load(os.environ), **{field: value for field, value in given.items() if value is not None}
    )
    import asyncio  # noqa: PLC0415 - only `up` needs it, and all that it starts

    from shared.dev_stack.up import run  # noqa: PLC0415 - likewise

    asyncio.run(run(settings, fresh=fresh, demo=demo, nodes=nodes))


def doctor(*, json: Json = False) -> int:
    """Check every precondition of running Muster here; the exit status is 1 if one fails."""
    from shared.dev_stack.doctor.checks import FAILED, MEANINGS  # noqa: PLC0415 - `config` looks at nothing
    from shared.dev_stack.doctor.examination import examine  # noqa: PLC0415 - likewise

    settings = Settings.here()
    checks = []
    for check in examine(settings):
        checks.append(check)
        if not json:
            print_line(f"{check.mark} {check.what}: {check.hint}" if check.hint else f"{check.mark} {check.what}")
    status = int(any(check.mark == FAILED for check in checks))
    if json:
        found = [{"check": each.what, "result": MEANINGS[each.mark], "hint": each.hint or None} for each in checks]
        print_encoded({"home": str(settings.home), "ok": not status, "checks": found})
    return status


def config(*, limits: bool = False, json: Json = False) -> None:
    """
    Show every setting with its value and source; secrets are masked.

    :param limits: show the limits of every component, which MUSTER_LIMITS changes, instead.
    """
    settings = Settings.here()
    rows = _limits(settings) if limits else _settings(settings)
    if json:
        print_encoded([_document(row) for row in rows])
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_line("  ".join(map(str.ljust, row, widths)).rstrip())


def backup(file: Path, /, *, json: Json = False) -> None:
    """
    Write the database of the embedded PostgreSQL to a file, in pg_dump's custom format; what runs goes on.

    Keep it as carefully as the database. The keys that sign tokens are not in it, nor are the read models.

    :param file: a path where nothing is yet.
    """
    from shared.dev_stack.backup import back_up  # noqa: PLC0415 - nor a database driver for --help

    position = back_up(Settings.load(os.environ), file)
    size = file.stat().st_size
    made = {"file": str(file.absolute()), "bytes": size, "position": position}
    print_result(made, f"{file}: {counted(size, 'byte')}, the log up to position {position:,}", as_json=json)


def restore(file: Path, /, *, fresh: bool = False, json: Json = False) -> None:
    """
    Make a home from a backup; `muster up` then fills its read models.

    A backup runs as it likes in your database: restore none that you do not trust.

    :param file: what `muster backup` has written.
    :param fresh: replace what the home has, once the backup is restored whole.
    """
    from shared.dev_stack.backup import restore as restored  # noqa: PLC0415 - likewise

    settings = Settings.load(os.environ)
    position = restored(settings, file, fresh=fresh)
    made = {"home": str(settings.home), "position": position}
    text = f"{settings.home} has the log up to position {position:,}: start `muster up`"
    print_result(made, text, as_json=json)


def check() -> None:
    """Check the style, the types and the import contracts of the code, in a clone."""
    bootstrap.check()


def test(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """
    Run the tests, in a clone.

    :param arguments: go to pytest, whose help `./muster test --help` shows.
    """
    bootstrap.main(["test", *arguments])


def bench(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """
    Measure Muster beside what users would pick instead, in a clone.

    :param arguments: names of results and options, which `./muster bench --help` shows.
    """
    bootstrap.main(["bench", *arguments])


def _document(row: Row) -> dict[str, str | None]:
    name, value, source = row
    return {"name": name, "value": None if value == UNSET else value, "source": source}


def _settings(settings: Settings) -> Sequence[Row]:
    return [(variable(field), printable(settings, field), source) for field, source in settings.sources.items()]


def _limits(settings: Settings) -> Sequence[Row]:
    changed = settings.limits.numbers if settings.limits else {}
    numbers = [item for kind in known_limits() for item in named_numbers(settings.limits_of(kind)).items()]
    return [(name, str(number), variable("limits") if name in changed else DEFAULT) for name, number in numbers]
