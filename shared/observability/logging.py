"""Logs to stderr, one event a line: for people (`console`) or for machines (`json`)."""

import logging
import logging.config
import sys
import traceback
from collections.abc import Mapping
from io import StringIO
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from shared.text import printable

LogFormat = Literal["console", "json"]

GRANIAN_LOGGING: Mapping[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "level": "INFO", "propagate": True},
        "granian.access": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
"""The configuration of granian's own loggers, which passes their records to the root logger."""


def configure(log_format: LogFormat) -> None:
    """Send structlog's events and the standard library's records to stderr in one shape, as often as it is called."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # httpx logs every request at INFO; the caller that makes one says what came of it.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(log_format: LogFormat) -> list[Processor]:
    """Render tracebacks without the values of variables: those are people's names and addresses."""
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    return [
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), repr_native_str=True, exception_formatter=_indented_traceback
        ),
    ]


def _on_one_line(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Escape a message, which may quote what a client sent; the renderer escapes values itself."""
    return {**event, "event": printable(str(event["event"]))}


def _indented_traceback(stream: TextIO, error: ExcInfo) -> None:
    """Indent and escape an error's text, which may quote a client too: only events begin at the left."""
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    lines = map(printable, text.getvalue().split("\n"))
    stream.write("\n    ".join(lines))


def log_defect(error: BaseException, **about: str | None) -> None:
    """
    Log the kind of an unexpected error and the way to it, but not its text, which may quote people's data.

    :param about: ids by which it is found.
    """
    raised_at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    kinds = [type(each).__name__ for each in (error, getattr(error, "orig", None)) if each is not None]
    structlog.get_logger().error("unexpected error", error=kinds, raised_at=raised_at, **about)
