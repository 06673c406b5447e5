"""Bearer tokens and client certificates, from a mounted file that may be replaced while the server runs.

Rules:
    1. The file holds hashes, not tokens (see `soma_common.tokens`); it is checked as a whole. A broken new file changes
       nothing: the last good one stays, the log says what is wrong, and the metric `soma_server_tokens_current` is 0.
    2. Whoever is refused learns nothing: missing, unknown and expired are one answer, and no answer depends on whether
       a tenant exists.
    3. A token that was taken out of the file is refused within `CHECK_EVERY_S`, also on streams that are open.
"""

import asyncio
import hmac
import json
import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from memory_server.domain.memory import Tenant
from memory_server.domain.quota import StorageQuota
from memory_server.ports import Clock
from memory_server.transport.auth import NO_QUOTA, AccessScope, Principal, TenantQuota
from memory_server.transport.context import Context
from memory_server.transport.metrics import ServerMetrics
from soma_common.errors import InvalidInput, Unauthenticated
from soma_common.tokens import MIN_TOKEN_CHARACTERS, token_hash
from soma_common.violations import violations_of
from soma_common.watched_files import Signature, WatchedFiles

log = logging.getLogger(__name__)

CHECK_EVERY_S = 1.0

_SCHEME = "bearer "
_NOBODY = "0" * 64
"""Compared with when no entry has the token's hash, so that both take the same time."""

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Entry(_Strict):
    """What every credential has."""

    name: Name
    tenant: Name
    scopes: Annotated[frozenset[AccessScope], Field(min_length=1)]
    expires_at: AwareDatetime | None = None


class TokenEntry(_Entry):
    """A bearer token, by the SHA-256 of its text."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CertificateEntry(_Entry):
    """A client certificate, by a subject alternative name of it, or by its only common name when it has none."""

    identity: Annotated[str, Field(min_length=1, max_length=1024)]


class QuotaEntry(_Strict):
    """Limits of one tenant, over those of the settings."""

    requests_per_s: PerSecond | None = None
    bytes_per_s: PerSecond | None = None
    max_memories: Annotated[int, Field(ge=0)] = 0
    max_payload_bytes: Annotated[int, Field(ge=0)] = 0

    def as_quota(self) -> TenantQuota:
        """Return the limits as the server keeps them."""
        storage = StorageQuota(self.max_memories, self.max_payload_bytes)
        return TenantQuota(self.requests_per_s, self.bytes_per_s, storage)


class TokensFile(_Strict):
    """The whole file, TOML or JSON; described for people in `docs/reference/tokens.md`."""

    tokens: tuple[TokenEntry, ...] = ()
    certificates: tuple[CertificateEntry, ...] = ()
    tenants: dict[Name, QuotaEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        entries = [*self.tokens, *self.certificates]
        if not entries:
            raise ValueError("must have at least one token or certificate")
        _require_unique("name", (entry.name for entry in entries))
        _require_unique("sha256", (entry.sha256 for entry in self.tokens))
        _require_unique("identity", (entry.identity for entry in self.certificates))
        return self


def _require_unique(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"two entries have the same {what}")
        seen.add(value)


@dataclass(frozen=True, slots=True)
class _Known:
    """What one version of the file says."""

    by_hash: Mapping[str, Principal]
    by_identity: Mapping[str, Principal]
    by_name: Mapping[str, Principal]
    quotas: Mapping[Tenant, TenantQuota]


class TokenAuthenticator:
    """Knows callers by a file of hashed tokens and of certificates' identities.

    Args:
        path: The file.
        clock: Tells when a credential has expired.
        metrics: Counts refusals and takeovers.

    Raises:
        InvalidInput: The file cannot be read, or says nothing that makes sense; names every bad field.
    """

    def __init__(self, path: Path, clock: Clock, metrics: ServerMetrics) -> None:
        self._path = path
        self._clock = clock
        self._metrics = metrics
        self._files = WatchedFiles([path])
        self._seen: Signature = self._files.signature()
        self._known = _load(path)
        metrics.tokens_current.set(1)

    @property
    def name(self) -> str:
        """See the protocol."""
        return "certificates and tokens" if self._known.by_identity else "tokens"

    def authenticate(self, context: Context) -> Principal:
        """See the protocol."""
        header = next(
            (value for key, value in context.invocation_metadata() or () if key == "authorization"),
            None,
        )
        if header is not None:
            principal = self._by_token(header)
        elif self._known.by_identity:
            principal = self._by_certificate(context)
        else:
            principal = None
        if principal is None:
            raise self._refusal("missing" if header is None else "unknown")
        if self._has_expired(principal):
            raise self._refusal("expired")
        return principal

    def quota(self, tenant: Tenant) -> TenantQuota:
        """See the protocol."""
        return self._known.quotas.get(tenant, NO_QUOTA)

    def is_current(self, principal: Principal) -> bool:
        """See the protocol."""
        known = self._known.by_name.get(principal.name)
        return known == principal and not self._has_expired(principal)

    async def watch(self, checked: Callable[[], None]) -> None:
        """Take over new versions of the file, until cancelled.

        Args:
            checked: Called after every look, also when nothing has changed: credentials expire.
        """
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await self.refresh()
            checked()

    async def refresh(self) -> None:
        """Take over a new version of the file, if there is one."""
        seen = self._files.signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._known = await asyncio.to_thread(_load, self._path)
        except InvalidInput as error:
            self._metrics.tokens_current.set(0)
            wrong = [f"{bad.field}: {bad.description}" for bad in error.violations]
            log.error(error.message, extra={**error.facts, "violations": wrong})  # noqa: TRY400
        except Exception as error:  # noqa: BLE001 - no file may end a server that runs
            self._metrics.tokens_current.set(0)
            # Of the error only the class: its text may repeat a part of the file.
            facts = {"file": str(self._path), "cause": type(error).__name__}
            log.error("the file of tokens cannot be taken over", extra=facts)  # noqa: TRY400
        else:
            self._metrics.tokens_current.set(1)
            log.info("took over new tokens", extra={"credentials": len(self._known.by_name)})

    def _by_token(self, header: str | bytes) -> Principal | None:
        if not isinstance(header, str) or header[: len(_SCHEME)].lower() != _SCHEME:
            return None
        token = header[len(_SCHEME) :].strip()
        digest = token_hash(token)
        principal = self._known.by_hash.get(digest)
        # How long the look-up takes depends on the hash alone, which nobody can aim without knowing a token.
        stored = principal.credential if principal is not None else _NOBODY
        is_it = hmac.compare_digest(stored, digest)
        return principal if is_it and len(token) >= MIN_TOKEN_CHARACTERS else None

    def _by_certificate(self, context: Context) -> Principal | None:
        found = {
            principal.name: principal
            for identity in _identities(context)
            if (principal := self._known.by_identity.get(identity)) is not None
        }
        # A certificate that is two callers is none.
        return next(iter(found.values())) if len(found) == 1 else None

    def _has_expired(self, principal: Principal) -> bool:
        end_us = principal.expires_at_us
        return end_us is not None and end_us <= self._clock.now_us()

    def _refusal(self, reason: str) -> Unauthenticated:
        self._metrics.auth_failures.labels(reason).inc()
        return Unauthenticated("a valid credential is needed; send `authorization: Bearer <token>`")


def _identities(context: Context) -> Iterator[str]:
    """Yield the names of the client's certificate: the alternative ones, else the common one if there is but one."""
    facts: Mapping[str, Iterable[bytes]] = context.auth_context()
    names = facts.get("x509_subject_alternative_name")
    if not names and not _has_several_common_names(facts):
        names = facts.get("x509_common_name")
    for name in names or ():
        yield name.decode("utf-8", "replace")


def _has_several_common_names(facts: Mapping[str, Iterable[bytes]]) -> bool:
    """Tell it by the subject's text: gRPC gives the first common name alone. A front process gives none of several."""
    subject = b"".join(facts.get("x509_subject", ()))
    plain = re.sub(rb"\\.", b"", subject)  # what is left of commas and plus signs divides
    return len(re.findall(rb"(?:^|[,+])CN=", plain)) > 1


def _load(path: Path) -> _Known:
    content = _parse(path)
    try:
        read = TokensFile.model_validate(content)
    except ValidationError as error:
        violations = violations_of(error, "file")
        message = "the file of tokens is not valid"
        raise InvalidInput(message, violations=violations, file=str(path)) from None
    by_hash = {entry.sha256: _principal(entry, entry.sha256) for entry in read.tokens}
    by_identity = {entry.identity: _principal(entry, entry.identity) for entry in read.certificates}
    everybody = [*by_hash.values(), *by_identity.values()]
    return _Known(
        by_hash,
        by_identity,
        {principal.name: principal for principal in everybody},
        {Tenant(name): quota.as_quota() for name, quota in read.tenants.items()},
    )


def _parse(path: Path) -> Any:
    message = "the file of tokens cannot be read"
    try:
        text = path.read_text("utf-8")
        return json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8"
        raise InvalidInput(message, file=str(path), cause=cause) from None
    except (ValueError, RecursionError) as error:
        # Not the decoders' own errors alone: Python refuses very long numbers, and lists in lists without end.
        # Of the error only the place: its text may repeat a line of the file.
        line = getattr(error, "lineno", 0)  # TOML's errors of Python 3.11 do not tell theirs
        cause = "neither TOML nor JSON"
        raise InvalidInput(message, file=str(path), cause=cause, line=line) from None


def _principal(entry: _Entry, credential: str) -> Principal:
    return Principal(
        tenant=Tenant(entry.tenant),
        scopes=entry.scopes,
        name=entry.name,
        expires_at_us=(
            round(entry.expires_at.timestamp() * 1_000_000) if entry.expires_at else None
        ),
        credential=credential,
    )
