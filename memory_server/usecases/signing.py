"""Signatures with the store's own key: anybody who has a receipt and the public key can check it without the server."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Signer:
    """Ed25519 (RFC 8032) with a key that is made from the store's seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, document: bytes) -> bytes:
        """Return the signature of a document, 64 bytes."""
        return self._key.sign(document)


def is_signed(document: bytes, signature: bytes, public_key: bytes) -> bool:
    """Tell whether a signature of a document was made with the key; whatever the bytes are, it only answers."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, document)
    except (InvalidSignature, ValueError):
        return False
    return True
