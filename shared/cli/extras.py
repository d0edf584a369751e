"""What is installed only with an extra of the package, and what a command says that finds it missing."""

from importlib.util import find_spec

from shared.cli.exit_codes import WrongUsage


class ExtraMissing(WrongUsage):
    """A command needs an extra that is not installed; the text names both and says what to do."""

    def __init__(self, command: str, extra: str, *, otherwise: str = "") -> None:
        super().__init__(f"`muster {command}` needs muster[{extra}]: pip install 'muster[{extra}]'{otherwise}")


def require_extra(command: str, extra: str, *, module: str) -> None:
    """:raises ExtraMissing: the module that the extra brings cannot be imported."""
    if find_spec(module) is None:
        raise ExtraMissing(command, extra)
