"""Structured logs: readable text in dev mode, and one JSON object per line in production.

A value is redacted if the name of its key looks like the name of a secret.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

from bunbase.pkg import context

SECRET_NAME = re.compile(
    r"password|passwd|secret|token|authorization|cookie|api_?key|private|credential|master_key", re.I
)
REDACTED = "[redacted]"
Form = Literal["people", "machines"]
# These libraries log events that BunBase logs itself.
QUIET = ("httpx", "httpcore", "asyncio", "uvicorn.access", "uvicorn.error")


_root = logging.getLogger()


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger. `name`: the room or library that logs."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(room=name)
    return bound


class _Handler(logging.StreamHandler[Any]):
    form: Form | None = None


def plain_form() -> Form | None:
    """Return the format of log lines, or None if structlog must write them: in colour, or without configuration."""
    handlers = _root.handlers
    return handlers[0].form if handlers and isinstance(handlers[0], _Handler) else None


def configure_logging(human: bool, level: str = "info") -> None:
    """Send all logs to stderr, including the logs of libraries. `human`: true for readable text instead of JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
        _with_request_id,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    render: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *(_for_people() if human else _for_machines()),
    ]
    handler = _Handler(sys.stderr)
    handler.form = "machines" if not human else None if sys.stderr.isatty() else "people"
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_number(level))
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _for_people() -> list[Any]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # This function shows no local variables.
        )
    ]


def _for_machines() -> list[Any]:
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # Local variables may hold passwords.
    return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the event after redacting every value whose key looks like a secret, at any depth."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if SECRET_NAME.search(name) and value is not None and not isinstance(value, bool | int | float):
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value


def _with_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (request_id := context.request_id.get()) and "request_id" not in event:
        event["request_id"] = request_id
    return event


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
