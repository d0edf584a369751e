"""An ASGI application in a process of its own, served as Muster serves its own."""

import sys
from collections.abc import Sequence


def program_serving(target: str, *, port: int, workers: int = 1) -> Sequence[str]:
    """Return the command line that serves `package.module:factory`, with settings from its environment."""
    begin = "import os; from shared.server.serving import serve; from shared.settings import Settings"
    arguments = {"host": "127.0.0.1", "port": port, "workers": workers, "service": "test"}
    return [sys.executable, "-c", f"{begin}; serve({target!r}, Settings.load(os.environ), **{arguments})"]
