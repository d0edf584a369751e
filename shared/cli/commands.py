"""The command line: each process brings its commands, which are imported only when they are called for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

from shared.cli.exit_codes import WrongUsage
from shared.wording import suggestion

COMPLETE = "__complete"
"""By which the script that a shell has installed asks cyclopts for values."""

CLONE = Path(__file__).parents[2] / "muster"
"""The wrapper in front of this command; an installed wheel has none."""


class Subcommand(NamedTuple):
    """The module of a command, and its line in `muster --help`."""

    path: str
    help: str


COMMANDS: Mapping[str, Subcommand] = {
    "up": Subcommand("shared.dev_stack.cli:up", "Start everything here: PostgreSQL, Valkey and the four processes."),
    "doctor": Subcommand(
        "shared.dev_stack.cli:doctor", "Check every precondition, and say what to do where one fails."
    ),
    "config": Subcommand("shared.dev_stack.cli:config", "Show every setting, its value and where it comes from."),
    "plan": Subcommand("shared.cli.plan:plan", "Say how many nodes, how much memory and disk so many people take."),
    "backup": Subcommand("shared.dev_stack.cli:backup", "Write the embedded servers' data to a file."),
    "restore": Subcommand("shared.dev_stack.cli:restore", "Make a home from a backup."),
    "keys": Subcommand("shared.cli.access:keys", "Make, show and retire the keys that sign tokens."),
    "token": Subcommand("shared.cli.access:token", "Make a token, or a link to sign in; or revoke one."),
    "migrate": Subcommand("write_side.cli.processes:migrate", "Bring the database's tables up to date."),
    "write": Subcommand("write_side.cli.processes:write", "Serve the write API."),
    "consume": Subcommand("write_side.cli.processes:consume", "Carry out commands that come by Redis streams."),
    "react": Subcommand("write_side.cli.react:react", "Write to people because of what happens, and deliver it."),
    "read": Subcommand("read_side.cli.read:read", "Serve the read API."),
    "project": Subcommand("projector.cli.project:project", "Project events into Redis, and serve the ops API."),
    "run": Subcommand("write_side.cli.run:run", "Carry out a command: field=value, or a JSON object from stdin."),
    "get": Subcommand("read_side.cli.browse:get", "Show a person."),
    "search": Subcommand("read_side.cli.browse:search", "Look for people or groups."),
    "members": Subcommand("read_side.cli.browse:members", "Show the members of a group."),
    "watch": Subcommand("read_side.cli.watch:watch", "Print changes as they come."),
    "import": Subcommand("write_side.cli.posting:import_commands", "Post a file of commands, one JSON object a line."),
    "export": Subcommand("read_side.cli.export:export", "Write all people and groups as commands, or as a table."),
    "seed": Subcommand("write_side.cli.posting:seed", "Register synthetic people."),
    "layout": Subcommand(
        "projector.cli.layout:layout",
        "Show into how many partitions the read models are divided; go back, or drop one.",
    ),
    "rebuild": Subcommand("projector.cli.rebuild:rebuild", "Replace a projection's records while they are being read."),
    "status": Subcommand("projector.cli.status:status", "Show how far each projection is."),
    "parked": Subcommand("projector.cli.parked:parked", "Show, try again or skip events that could not be folded."),
    "deliveries": Subcommand(
        "write_side.cli.deliveries:deliveries", "Show what waits to be delivered or was given up; try it again."
    ),
    "webhooks": Subcommand(
        "write_side.cli.webhooks:webhooks", "Have changes sent to URLs; show, pause, replay and remove what is sent."
    ),
    "erase": Subcommand("projector.cli.erase:erase", "Erase a person for good, and show that nothing is left."),
    "verify": Subcommand("projector.cli.verify:verify", "Compare what readers get with the log and the database."),
}

COMMANDS_OF_A_CLONE: Mapping[str, Subcommand] = {
    "check": Subcommand("shared.dev_stack.cli:check", "Check the style, the types and the import contracts."),
    "test": Subcommand("shared.dev_stack.cli:test", "Run the tests; what follows goes to pytest."),
    "bench": Subcommand("shared.dev_stack.cli:bench", "Measure Muster beside what users would pick instead."),
}


def commands() -> Mapping[str, Subcommand]:
    """Return the commands there are here: a clone has more."""
    return {**COMMANDS, **COMMANDS_OF_A_CLONE} if CLONE.is_file() else COMMANDS


def application() -> App:
    """Return the command line; no command's module is imported yet."""
    app = App(
        name="muster",
        help="A people directory: commands in, an event log in PostgreSQL, ready-to-serve records in Redis.",
        version=_version,
        help_format="plaintext",
        exit_on_error=False,
        print_error=False,
    )
    for place, (name, command) in enumerate(commands().items()):
        app.command(command.path, name=name, help=command.help, sort_key=place)
    app.register_install_completion_command(help="Have bash, zsh or fish complete these commands.")

    @app.meta.default
    def at_home(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        home: Annotated[Path | None, Parameter(help="The state directory, instead of MUSTER_HOME.")] = None,
    ) -> object:
        if home is not None:
            os.environ["MUSTER_HOME"] = str(home)
        return app(tokens)

    return app


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow, and seldom asked for

    return version("muster")


def call(arguments: list[str]) -> object:
    """
    Run a command.

    :raises CommandFailed: it fails, or there is none of this name.
    """
    home, others = _home_and_others(arguments)
    _require_known_command(others)
    try:
        return application().meta([*home, *others])
    except UnusedCliTokensError as error:
        raise WrongUsage(f"{' '.join(error.unused_tokens or ())} is more than it takes: see --help") from error
    except CycloptsError as error:
        raise WrongUsage(f"{' '.join(str(error).split())} See --help.") from error


def _home_and_others(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take `--home` out: an argument that may begin with a hyphen, as the `-` of `import`, would be taken to be it."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for at, option in enumerate(options):
        if option.startswith("--home=") or (option == "--home" and at + 1 < len(options)):
            end = at + 1 + (option == "--home")
            return arguments[at:end], arguments[:at] + arguments[end:]
    return [], arguments


def _require_known_command(arguments: list[str]) -> None:
    """Answer before the parser does, which would import every command to find one that is spelt nearly so."""
    known = commands()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in {*known, COMPLETE}:
        raise WrongUsage(f"muster knows no command {arguments[0]!r}: {suggestion(arguments[0], known)}")
