"""What both clients share about the connection."""

import json
import time

from memory_server.transport.server import MIN_CLIENT_PING_MS
from somamemory import Access
from somamemory.calls import METHODS
from somamemory.channel import (
    CHANNEL_OPTIONS,
    delay_before_resuming,
    delay_before_retry,
    new_request_id,
)
from somamemory.errors import Details, QuotaExceeded


def test_request_ids_are_new_and_begin_with_the_time() -> None:
    """Those of a later millisecond sort after those of an earlier one: a server keeps them side by side."""
    made = [new_request_id() for _ in range(1000)]
    time.sleep(0.002)
    later = [new_request_id() for _ in range(1000)]

    assert len({*made, *later}) == 2000
    assert max(made) < min(later)
    assert {len(each) for each in made} == {32}


def test_a_write_without_request_ids_is_repeated_by_nobody() -> None:
    """gRPC repeats exactly the calls of which a second time tells the same as the first."""
    [config] = json.loads(dict(CHANNEL_OPTIONS)["grpc.service_config"])["methodConfig"]
    repeated = {f"/{each['service']}/{each['method']}" for each in config["name"]}

    left_out = {method.name for method in METHODS if method.path not in repeated}

    assert left_out == {
        "Consolidate", "CreateNamespace", "DeleteNamespace", "EraseSubject", "Import", "Purge", "Share",
        "UndoConsolidation", "UpdateNamespace",
    }  # fmt: skip
    assert len(repeated) + len(left_out) == len(METHODS)


def test_pings_come_as_often_as_the_server_allows_and_no_more() -> None:
    """A silent network is noticed within a minute, by a client that the server does not cut off."""
    options = dict(CHANNEL_OPTIONS)

    every_ms, wait_ms = options["grpc.keepalive_time_ms"], options["grpc.keepalive_timeout_ms"]

    assert every_ms >= 2 * MIN_CLIENT_PING_MS
    assert every_ms + wait_ms <= 60_000


def test_a_rate_is_waited_for_and_a_full_quota_is_not() -> None:
    """The server names a time for a rate only; the wait is never shorter, and must end before the deadline."""
    over_rate = QuotaExceeded("too many requests a second", Details(retry_after_s=5))
    full = QuotaExceeded("too many memories")

    assert delay_before_retry(over_rate, 1, left_s=10, chance=0) == 5
    assert delay_before_retry(over_rate, 1, left_s=4, chance=0) is None
    assert delay_before_retry(full, 1, left_s=10, chance=0) is None
    assert delay_before_resuming(over_rate, 2, left_s=10, chance=0) == 5
    assert delay_before_resuming(over_rate, 2, left_s=4, chance=0) is None
    assert delay_before_resuming(full, 1, left_s=10, chance=0) is None


def test_an_access_does_not_show_its_token() -> None:
    """What is logged about a client does not let anybody in."""
    access = Access(token="soma_secret", ca_file="ca.pem")

    assert "soma_secret" not in repr(access)
    assert "ca.pem" in repr(access)
