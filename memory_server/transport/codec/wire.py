"""Fields of messages as they are on the wire, for messages that are put together of bytes which are there already.

Protobuf reads many fields from bytes in the time that setting one of them takes. What is put together here is read by
protobuf before it is sent: bytes that are no message do not leave the server.
"""

import struct

from google.protobuf.message import Message

_FIXED_64, _LENGTH_DELIMITED = 1, 2
"""Wire types."""

_DOUBLE = struct.Struct("<d")
_SHORT = [bytes([size]) for size in range(128)]


class DoubleField:
    """A field of type double."""

    def __init__(self, message: type[Message], name: str) -> None:
        self._tag = _tag(message, name, _FIXED_64)

    def of(self, value: float) -> bytes:
        """Return the field with this value."""
        return self._tag + _DOUBLE.pack(value)


class MessageField:
    """A field whose value is a message; where it is repeated, one of its values."""

    def __init__(self, message: type[Message], name: str) -> None:
        self._tag = _tag(message, name, _LENGTH_DELIMITED)

    def of(self, value: bytes) -> bytes:
        """Return the field with a message that is on the wire already."""
        size = len(value)
        return self._tag + (_SHORT[size] if size < 128 else _varint(size)) + value


def _tag(message: type[Message], name: str, wire_type: int) -> bytes:
    return _varint(message.DESCRIPTOR.fields_by_name[name].number << 3 | wire_type)


def _varint(number: int) -> bytes:
    """Return seven bits a byte, the lowest first; all but the last byte say that there are more."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
