"""What the server refuses beyond; every number here is stated by GetServerInfo and enforced with a clear error."""

from dataclasses import dataclass

MAX_NAMESPACE_BYTES = 128
MAX_ID_BYTES = 256
MAX_REQUEST_ID_BYTES = 128
MAX_LINK_TYPE_BYTES = 128
MAX_METADATA_ITEMS = 64
MAX_METADATA_KEY_BYTES = 128
MAX_METADATA_TEXT_BYTES = 1024
MAX_COORDINATE_DIMENSIONS = 64
MAX_BATCH_ITEMS = 1000
MAX_TOP_K = 1000
MAX_PAGE_SIZE = 1000
MAX_LINK_DEPTH = 8
MAX_FILTER_TESTS = 32
MAX_FILTER_VALUES = 256
MAX_VERSIONS = 1000
MAX_DECAY_LEVELS = 16
MAX_DECAY_FIELDS = 64
MAX_PATH_LENGTH = 64
MAX_STREAM_ID_BYTES = 64
MAX_NESTING = 256
"""Depth of objects and lists within each other in a payload."""

MAX_MASK_PATHS = 256
MAX_RECALL_BATCH = 100
MAX_SOURCES = 1000
MAX_ALL_SOURCES = 20_000
"""Sources of one summary, and of all summaries of one consolidation."""

MIN_TIME_US = -62_135_596_800_000_000
MAX_TIME_US = 253_402_300_799_999_999
"""The first and last microsecond that google.protobuf.Timestamp can name: the years 1 to 9999."""

DEFAULT_TOP_K = 10
DEFAULT_PAGE_SIZE = 50
DEFAULT_NEIGHBOR_LIMIT = 100

MAX_TEXT_BYTES = 64 * 1024
"""Text that is searched. A longer text given by the caller is refused; one derived from the payload is cut."""

MAX_RESPONSE_BYTES = 3 * 1024 * 1024
"""Payload bytes in one answer: below the 4 MiB that gRPC clients accept unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that the settings decide."""

    max_message_bytes: int
    max_payload_bytes: int
    request_id_ttl_s: int
    embedding_dimensions: int
