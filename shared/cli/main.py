"""The `muster` command: each process brings its commands, which are imported only when they are called for."""

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple, NoReturn

from cyclopts import App

from shared.cli.exit_codes import FAILED, WRONG_USAGE, CommandFailed
from shared.cli.output import say
from shared.errors import Unsound
from shared.settings import SettingMissingError, SettingsError


class Subcommand(NamedTuple):
    """Where a command is to be found, and its line in `muster --help`."""

    path: str
    help: str


OF_LIBRARIES = ("LITESTAR_", "OTEL_PYTHON_", "PROMETHEUS_", "prometheus_", "PSYCOPG_")
"""What the variables begin with by which our libraries load other parts, show tracebacks or wait for a debugger."""

COMMANDS: Mapping[str, Subcommand] = {
    "up": Subcommand("shared.dev_stack.cli:up", "Start everything here: PostgreSQL, Valkey and the three processes."),
    "doctor": Subcommand(
        "shared.dev_stack.cli:doctor", "Check every precondition, and say what to do where one fails."
    ),
    "config": Subcommand("shared.dev_stack.cli:config", "Show every setting, its value and where it comes from."),
    "keys": Subcommand("shared.cli.access:keys", "Make, show and retire the keys that sign tokens."),
    "token": Subcommand("shared.cli.access:token", "Make a token, or a link to sign in; or revoke one."),
    "migrate": Subcommand("write_side.cli:migrate", "Bring the database's tables up to date."),
    "write": Subcommand("write_side.cli:write", "Serve the write API."),
    "read": Subcommand("read_side.cli:read", "Serve the read API."),
    "project": Subcommand("projector.cli.project:project", "Project events into Redis, and serve the ops API."),
    "import": Subcommand("write_side.cli:import_commands", "Post a file of commands, one JSON object a line."),
    "seed": Subcommand("write_side.cli:seed", "Register synthetic people."),
    "rebuild": Subcommand("projector.cli.rebuild:rebuild", "Replace a projection's records while they are being read."),
    "status": Subcommand("projector.cli.status:status", "Show how far each projection is."),
    "parked": Subcommand("projector.cli.parked:parked", "Show, try again or skip events that could not be folded."),
    "erase": Subcommand("projector.cli.erase:erase", "Erase a person for good, and show that nothing is left."),
    "verify": Subcommand("projector.cli.verify:verify", "Compare what readers get with the log and the database."),
}


def application() -> App:
    """Return the command line; no command's module is imported yet."""
    app = App(
        name="muster",
        help="A people directory: commands in, an event log in PostgreSQL, ready-to-serve records in Redis.",
        version=lambda: version("muster"),
        help_format="plaintext",
    )
    for place, (name, command) in enumerate(COMMANDS.items()):
        app.command(command.path, name=name, help=command.help, sort_key=place)
    return app


def main() -> None:
    """
    Run the command in `sys.argv`.

    A command fails by raising `CommandFailed`, or by returning a status of its own.
    """
    _forget_variables()
    _require_known_command(sys.argv[1:])
    try:
        application()()
    except CommandFailed as error:
        _end(error, error.exit_code)
    except (SettingMissingError, Unsound) as error:
        _end(error, FAILED)
    except SettingsError as error:
        _end(error, WRONG_USAGE)
    except BrokenPipeError:
        # The reader of our output has gone (`muster … | head`): nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def _forget_variables() -> None:
    """Remove what would have our libraries load something else, or nothing; the processes that we start inherit it."""
    for name in [name for name in os.environ if name.startswith(OF_LIBRARIES)]:
        del os.environ[name]


def _require_known_command(arguments: list[str]) -> None:
    """Answer before the parser does, which would import every command to find one that is spelt nearly so."""
    if not arguments or arguments[0].startswith("-") or arguments[0] in COMMANDS:
        return
    known = ", ".join(COMMANDS)
    say(f"muster knows no command {arguments[0]!r}: {known}")
    sys.exit(WRONG_USAGE)


def _end(error: Exception, exit_code: int) -> NoReturn:
    say(str(error))
    sys.exit(exit_code)
