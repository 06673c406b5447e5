"""Bearer tokens: how they are made, and the form in which a server keeps them.

A token is random, 256 bits of it, so its SHA-256 tells nothing that helps to guess it: there is no dictionary to try. A
slow hash (bcrypt, argon2) protects words that people choose; here it would only add milliseconds to every call, which
whoever sends wrong tokens could make the server pay.
"""

import hashlib
import secrets

PREFIX = "soma_"
"""Lets scanners of repositories and logs find tokens that leaked."""

MIN_TOKEN_CHARACTERS = 22
"""128 bits in base64. What is shorter is refused, also when its hash is in the file: it may have been guessable."""

_RANDOM_BYTES = 32


def new_token() -> str:
    """Return a token that nobody has or can guess; to be shown once and not kept."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def token_hash(token: str) -> str:
    """Return what stands for the token in the file of tokens: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
