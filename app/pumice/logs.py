"""Logs: code names an event and its fields; what a line looks like is decided here, once, for every process.

    log = get_logger("pumice.worker")
    log.info("worker_started", pid=1, agents="desk")

In text a line is `time level logger event key=value …`; a traceback follows on lines that begin with `    | `. In JSON
it is one object. Nothing that a client sends can begin a line or pass for a field, and keys and tokens are masked.
"""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

FIELDS = "pumice_fields"
"""The attribute of a log record that holds its event's fields."""
LONGEST = 2_000
"""Characters of a value that are shown."""
CONTINUED = "    | "
"""Begins each line of a traceback, so that none can pass for a line of its own."""
SECRETS = re.compile(
    r"(?i)(?P<name>(?:api_?key|session_?token|x-api-key)(?:=|%3D|:\s?))[^&/\s\"']+"
    r"|(?P<kind>pub|sec)_[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"
)
"""Keys, session tokens, and whatever stands where one belongs."""
PLAIN = re.compile(r"[^\s\"=\\]+")
STANDARD = {**vars(logging.makeLogRecord({})), "message": "", "asctime": "", FIELDS: {}}
"""What every log record has; the rest was given as `extra`."""


def get_logger(name: str) -> BoundLogger:
    """A logger that takes an event's name and its fields."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _as_record],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def set_up_logging(level: str, *, form: str = "text", timed: bool = True, stream: TextIO | None = None) -> None:
    """Have every logger of this process, also those of libraries and authors, write lines of one form.

    level: the least severity that is logged. form: `text` or `json`. timed: whether text lines begin with the time.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(form, timed=timed))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    logging.getLogger("celery").setLevel("WARNING")
    consumer = logging.getLogger("celery.worker.consumer")
    consumer.setLevel("INFO")
    for logger in (consumer, logging.getLogger("celery.worker.consumer.consumer")):
        logger.filters[:] = [_unless_repeated()]


class Outage:
    """Something that is away again and again: logged when that begins and when it ends, not each time. Thread-safe."""

    def __init__(self, log: BoundLogger, what: str) -> None:
        """`what` is what is away: the events are `<what>_away` and `<what>_back`."""
        self._log = log
        self._what = what
        self._since = 0.0
        self._times = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether it is away."""
        return self._times > 0

    def begins(self, **fields: Any) -> None:
        """Note that it is away."""
        with self._lock:
            self._times += 1
            first = self._times == 1
            self._since = time.monotonic() if first else self._since
        if first:
            self._log.warning(f"{self._what}_away", **fields)

    def ends(self) -> None:
        """Note that it is there."""
        if not self._times:
            return
        with self._lock:
            times, self._times = self._times, 0
        if times:
            self._log.info(f"{self._what}_back", after=f"{time.monotonic() - self._since:.1f}s", times=times)


def masked(text: str) -> str:
    """The text without the keys and tokens in it."""
    return SECRETS.sub(lambda found: f"{found['name'] or found['kind'] or 'token'}***", text)


def _as_record(_logger: WrappedLogger, _method: str, event: EventDict) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An event as a record of the standard library's, which any handler can show."""
    name, exc_info = event.pop("event"), event.pop("exc_info", None)
    return (name,), {"extra": {FIELDS: dict(event)}, "exc_info": exc_info}


def _formatter(form: str, *, timed: bool) -> logging.Formatter:
    render = _json_line if form == "json" else _text_line if timed else _text_line_without_time
    return ProcessorFormatter(
        foreign_pre_chain=[structlog.processors.TimeStamper(fmt="iso", utc=True), _from_record],
        processors=[ProcessorFormatter.remove_processors_meta, render],
    )


def _from_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The event with what its log record knows: level, logger, fields and traceback."""
    record: logging.LogRecord = event["_record"]
    given = {name: value for name, value in vars(record).items() if name not in STANDARD}
    fields = {**given, **getattr(record, FIELDS, {})}
    found = {"timestamp": event["timestamp"], "level": record.levelname.lower(), "logger": record.name}
    traceback = fields.pop("traceback", None)
    if record.exc_info and record.exc_info[0] is not None:
        traceback = logging.Formatter().formatException(record.exc_info)
    text = {"event": _cut(masked(str(event["event"]))), **{name: _shown(value) for name, value in fields.items()}}
    kept = {name: event[name] for name in ("_record", "_from_structlog")}
    return {**kept, **found, **text, **({"traceback": masked(traceback)} if traceback else {})}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        return _cut(masked(str(value)))
    except Exception as error:  # a raising __str__ must not cost the line
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(_encodable(event), option=orjson.OPT_NON_STR_KEYS).decode()


def _encodable(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without what JSON can't hold: halves of surrogate pairs and whole numbers beyond 64 bits."""
    return {
        str(name): value.encode(errors="backslashreplace").decode()
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int) and abs(value) >= 2**63
        else value
        for name, value in event.items()
    }


def _text_line(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    return f"{event['timestamp']} {_without_time(event)}"


def _text_line_without_time(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    return _without_time(event)


def _without_time(event: MutableMapping[str, Any]) -> str:
    head = ("timestamp", "level", "logger", "event", "traceback")
    fields = [f"{name}={_value(value)}" for name, value in event.items() if name not in head]
    line = " ".join([event["level"][0].upper(), event["logger"], _escaped(event["event"]), *fields])
    traceback = [CONTINUED + _escaped(part) for part in event.get("traceback", "").splitlines()]
    return "\n".join([line, *traceback])


def _value(value: Any) -> str:
    text = str(value)
    return text if PLAIN.fullmatch(text) and text.isprintable() else _escaped(json.dumps(text, ensure_ascii=False))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class _unless_repeated(logging.Filter):  # noqa: N801 (a filter is called like a function)
    """Lets a message through once until another comes: Celery repeats that it can't connect each second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: object = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this is not what was said before."""
        repeated, self._last = record.msg == self._last, record.msg
        return not repeated
