"""The exit statuses of all commands, and the errors that end a command with one of them."""

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class CommandFailed(Exception):
    """A command cannot be carried out; the message says why, and what to do."""

    exit_code = FAILED


class WrongUsage(CommandFailed):
    """The command cannot be called in this way; the message says in which way it can."""

    exit_code = WRONG_USAGE
