"""Texts: how bytes are printed."""

def printed(value: bytes) -> bytes:
    """Return what `repr` returns, in ASCII; ten times as fast where bytes cannot be guessed, as those of vectors."""
