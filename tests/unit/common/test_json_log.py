"""Log lines: JSON with labels and fields."""

import json
import logging

from soma_common.json_log import JsonFormatter, TextFormatter, log_fields


def a_line(**extra: object) -> logging.LogRecord:
    logger = logging.getLogger("soma.test")
    return logger.makeRecord("soma.test", logging.INFO, "f", 1, "committed", (), None, extra=extra)


def test_a_line_is_one_json_object_with_labels_and_fields() -> None:
    """Message, labels and extra fields are keys; a newline stays inside its string."""
    line = JsonFormatter({"service": "soma"}).format(a_line(tenant="a\nb", writes=3))

    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == "committed"
    assert entry["service"] == "soma"
    assert entry["tenant"] == "a\nb"
    assert entry["writes"] == 3


def test_people_get_the_fields_too() -> None:
    """The plain form shows fields as name=value."""
    assert TextFormatter().format(a_line(writes=3)).endswith("committed writes=3")


def test_a_fact_may_have_a_name_of_loggings_own() -> None:
    """It is logged under another name; logging would raise instead of writing the line."""
    line = JsonFormatter({}).format(a_line(**log_fields({"kind": "file", "name": "copy"})))

    entry = json.loads(line)
    assert (entry["kind"], entry["name_"]) == ("file", "copy")
