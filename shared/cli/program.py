"""A call of `muster`: its command, and the exit status that is made of how the command ends."""

import sys

from shared.cli.commands import call
from shared.cli.exit_codes import FAILED, WRONG_USAGE, CommandFailed
from shared.cli.output import say
from shared.cli.streams import OutputLost, open_streams, silence
from shared.errors import SettingsError, Unsound
from shared.settings import SettingMissingError


def run() -> None:
    """
    Run the command in `sys.argv` and exit.

    A command fails by raising `CommandFailed`, or by returning a status of its own.
    """
    open_streams()
    try:
        try:
            _run()
        finally:
            sys.stdout.flush()
    except OutputLost as lost:
        silence()
        if not lost.is_unread:
            say(str(lost))
        sys.exit(FAILED)


def _run() -> None:
    try:
        call(sys.argv[1:])
    except CommandFailed as error:
        _end(error, error.exit_code)
    except (SettingMissingError, Unsound) as error:
        _end(error, FAILED)
    except SettingsError as error:
        _end(error, WRONG_USAGE)


def _end(error: Exception, exit_code: int) -> None:
    say(str(error))
    sys.exit(exit_code)
