"""What both clients share about the connection: address, retries, deadlines; no I/O."""

import functools
import inspect
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from somamemory.calls import METHODS
from somamemory.calls.base import Method
from somamemory.errors import Overloaded, QuotaExceeded, SomaMemoryError, Unavailable, invalid

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 50053
DEFAULT_TIMEOUT_S = 10.0

_RESUME_S, _RESUME_MOST_S = 0.1, 2.0
"""Wait before a broken stream is made again, seconds: the first, and the longest that the server did not ask for."""

_MOST_DOUBLINGS = 6
"""Of the wait after shed load; further growth would only be a longer silence."""

_MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""gRPC's own 4 MiB would refuse a full page of large memories that the server has already read."""

_SERVICE_CONFIG = {
    # A name may stand for several servers, such as that of a headless Service: all of them are used.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            # What was unavailable may have happened, its answer lost: a second time a write without a request id would
            # find its own work done, and tell something else than what it did.
            "name": [
                {"service": method.service, "method": method.name}
                for method in METHODS
                if method.is_repeatable
            ],
            # Only UNAVAILABLE: no other code promises that trying again helps.
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", _MAX_RESPONSE_BYTES),
    ("grpc.primary_user_agent", "somamemory-python"),
    # A new server behind a name is found with the next connection: gRPC's own half a minute would pass over it.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A server that comes back is found again within a second: gRPC's own back-off grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A network that went silent ends the streams, which have no deadline. The server cuts off who pings more often than
    # every 10 s. gRPC's own pings, of which one may be on its way, would hold them up for a minute; and while
    # a stream that only listens sends nothing, it would ping only twice.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
]


def default_address() -> str:
    """Return where a server on this machine listens."""
    return f"{DEFAULT_HOST}:{DEFAULT_PORT}"


def checked_address(address: str) -> str:
    """Return the address, or refuse one that is not HOST:PORT."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise invalid("address", f"must be HOST:PORT, not {address!r}")
    return address


def new_request_id() -> str:
    """Return an id that no other write has, 32 hexadecimal digits.

    First the milliseconds since 1970, then 80 bits of chance: a server keeps the ids of a time side by side, so that
    what it writes for new ones does not grow with the number of those it remembers.
    """
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def delay_before_retry(
    error: SomaMemoryError, tries: int, left_s: float, chance: float
) -> float | None:
    """Decide whether a failed call is made again.

    gRPC repeats what was unavailable; here it is only about what the server refused before it did
    anything, for load or for a rate, and for which it named a time. The wait doubles with each try,
    and chance spreads the callers that were shed together.

    Args:
        error: What came of the last try.
        tries: How many there were, 1 or more.
        left_s: Time until the call's deadline, seconds.
        chance: A random number in [0, 1).

    Returns:
        How long to wait, seconds; None: give up, since waiting cannot help or would take too long.
    """
    if not isinstance(error, Overloaded | QuotaExceeded) or error.retry_after_s is None:
        return None
    delay_s = error.retry_after_s * 2 ** min(tries - 1, _MOST_DOUBLINGS) * (1 + chance / 2)
    return delay_s if delay_s < left_s else None


def delay_before_resuming(
    error: SomaMemoryError, failures: int, left_s: float, chance: float
) -> float | None:
    """Decide whether a stream that broke is made again.

    gRPC repeats no stream of which something was answered; what can be sent again may be.

    Args:
        error: How it broke.
        failures: How often it broke since the last answer, 1 or more.
        left_s: Time for which it may still stay broken, seconds.
        chance: A random number in [0, 1).

    Returns:
        How long to wait, seconds; None: give up.
    """
    is_rate = isinstance(error, QuotaExceeded) and error.retry_after_s is not None
    if not is_rate and not isinstance(error, Unavailable | Overloaded):
        return None
    least_s = error.retry_after_s or _RESUME_S
    delay_s = min(least_s * 2 ** min(failures - 1, _MOST_DOUBLINGS), max(least_s, _RESUME_MOST_S))
    delay_s *= 1 + chance / 2
    return delay_s if delay_s < left_s else None


def in_doubt(error: SomaMemoryError, method: Method[Any, Any]) -> SomaMemoryError:
    """Return what is raised for a failed call: of a write without request ids it says that it may have happened."""
    if method.is_repeatable or not isinstance(error, Unavailable):
        return error
    told = f"{error.message}; it may have happened, so look before you repeat it"
    return Unavailable(told, error.details)


def documented_as(build: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a client's method the name, the documentation and the parameters of its description."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        functools.update_wrapper(method, build)
        signature = inspect.signature(build)
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        method.__signature__ = signature.replace(  # type: ignore[attr-defined] # read by inspect.signature
            parameters=[first, *signature.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
        return method

    return decorate
