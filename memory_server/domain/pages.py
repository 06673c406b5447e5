"""Page tokens: opaque, signed, and bound to the question they continue."""

import base64
import binascii
import hashlib
import hmac

from soma_common.errors import InvalidInput, Violation

_SIGNATURE_BYTES = 16


def page_token(position: bytes, *, question: str, key: bytes) -> str:
    """Return the token of the page after `position`.

    Args:
        position: Key of this page's last entry in the order of the pages.
        question: Everything that must stay the same: tenant, namespace, filter, order.
        key: The store's secret.
    """
    signed = position + _sign(position, question, key)
    return base64.urlsafe_b64encode(signed).decode("ascii")


def read_page_token(
    token: str,
    *,
    question: str,
    key: bytes,
    field: str = "page_token",
    source: str = "next_page_token of the same request's last page",
) -> bytes:
    """Return the position at which the page before ended.

    Args:
        token: What the caller gave.
        question: As of `page_token`.
        key: The store's secret.
        field: Where the caller gave it.
        source: Where the caller should have it from.

    Raises:
        InvalidInput: The token is not one of ours, or belongs to another question.
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    position, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(position, question, key)):
        bad = Violation(field, f"must be {source}")
        raise InvalidInput("the request is not valid", violations=[bad])
    return position


def _sign(position: bytes, question: str, key: bytes) -> bytes:
    message = (
        len(position).to_bytes(4, "big") + position + question.encode("utf-8", "surrogatepass")
    )
    # BLAKE2 has a key of its own, and takes a tenth of the time of an HMAC.
    return hashlib.blake2b(message, key=key, digest_size=_SIGNATURE_BYTES).digest()
