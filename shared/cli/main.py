"""The `muster` program, from its start to its end."""

import atexit
import gc
import os
import signal
import sys

from shared.cli.exit_codes import INTERRUPTED
from shared.runtime.garbage import search_seldom

OF_LIBRARIES = ("LITESTAR_", "OTEL_PYTHON_", "PROMETHEUS_", "prometheus_", "PSYCOPG_")
"""What the variables begin with by which our libraries load other parts, show tracebacks or wait for a debugger."""

UNUSED = ("httpx._main", "opentelemetry.sdk.metrics", "rich.traceback")
"""
What libraries load if they can, and we have no use for: nearly half of the import of httpx (its command line, with
click, rich and pygments), of redis-py (its meters, with psutil), and of structlog (tracebacks in colours).
"""


def main() -> None:
    """Run the command in `sys.argv`; an interruption ends it without a word."""
    atexit.register(gc.freeze)  # or Python would search all there is for garbage: a third of a short command
    try:
        search_seldom()
        _forget_variables()
        sys.modules.update(dict.fromkeys(UNUSED))  # type: ignore[arg-type]  # they are missing, as far as libraries see
        from shared.cli.program import run  # noqa: PLC0415 - an interruption is heard from here on

        run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # another one ends what is left to do at exit
        sys.exit(INTERRUPTED)


def _forget_variables() -> None:
    """Remove what would have our libraries load something else, or nothing; the processes that we start inherit it."""
    for name in [name for name in os.environ if name.startswith(OF_LIBRARIES)]:
        del os.environ[name]
