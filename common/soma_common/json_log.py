"""Log lines: one JSON object a line, a fixed message and fields; never a payload, never a secret."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from soma_common.settings import SomaBaseSettings

# What logging itself puts on a record; everything else was given as `extra`.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON with its extra fields."""

    def __init__(self, labels: dict[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._labels,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Writes a record as one line for people: time, level, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        line = f"{clock} {record.levelname:<7} {record.getMessage()} {fields}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def configure_logging(settings: SomaBaseSettings, *, version: str) -> None:
    """Send every log line of the process to standard error in the chosen form."""
    labels = {
        "service": settings.service,
        "instance": settings.instance,
        "env": settings.env,
        "version": version,
    }
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(labels) if settings.log_format == "json" else TextFormatter()
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)


def log_fields(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts as the `extra` of a log line: a name that logging keeps for itself gets an underscore."""
    return {f"{name}_" if name in _OWN_ATTRIBUTES else name: fact for name, fact in facts.items()}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _OWN_ATTRIBUTES}
