"""The `muster` program, from its start to its end."""

import atexit
import gc
import os
import signal
import sys

INTERRUPTED = 130
OF_LIBRARIES = ("LITESTAR_", "OTEL_PYTHON_", "PROMETHEUS_", "prometheus_", "PSYCOPG_")
"""What the variables begin with by which our libraries load other parts, show tracebacks or wait for a debugger."""

HTTPX_PROGRAM = "httpx._main"
"""The command line of httpx, which it loads if it can, with click, rich and pygments: nearly half of its import."""


def main() -> None:
    """Run the command in `sys.argv`; an interruption ends it without a word."""
    atexit.register(gc.freeze)  # or Python would search all there is for garbage: a third of a short command
    try:
        _forget_variables()
        sys.modules[HTTPX_PROGRAM] = None  # type: ignore[assignment]  # it is missing, as far as httpx can see
        from shared.cli.program import run  # noqa: PLC0415 - an interruption is heard from here on

        run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # another one ends what is left to do at exit
        sys.exit(INTERRUPTED)


def _forget_variables() -> None:
    """Remove what would have our libraries load something else, or nothing; the processes that we start inherit it."""
    for name in [name for name in os.environ if name.startswith(OF_LIBRARIES)]:
        del os.environ[name]
