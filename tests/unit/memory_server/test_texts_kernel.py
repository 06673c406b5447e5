"""How bytes are printed."""

from hypothesis import given
from hypothesis import strategies as st

from memory_server.kernels.texts import printed


@given(st.one_of(st.binary(max_size=300), st.text("ab'\"\\\n\t\r\x00\x7f").map(str.encode)))
def test_bytes_are_printed_as_python_prints_them(value: bytes) -> None:
    """Quotes, escapes and all."""
    assert printed(value) == repr(value).encode()


def test_every_byte_is_printed_as_python_prints_it() -> None:
    """Alone, and among all others."""
    values = [bytes([each]) for each in range(256)]

    for value in (*values, b"".join(values), b"".join(values) * 20):
        assert printed(value) == repr(value).encode()
