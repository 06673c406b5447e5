"""The rules over several fields, as CEL that the API server checks."""

from soma_operator.api.v1alpha1.base import DEFAULT_DIMENSIONS, DEFAULT_MESSAGE_BYTES, rules


def _value(path: str, default: str, of: str = "self") -> str:
    """Return CEL for an optional field or its default.

    Asked step by step with `has`: the shorter `.?` forgets the types, and with them the bounds that the API server
    estimates the cost of a rule by.
    """
    return f"({_given(path, of)} ? {of}.{path} : {default})"


def _given(path: str, of: str = "self") -> str:
    """Return CEL for whether an optional field is there."""
    parts = path.split(".")
    steps = [".".join([of, *parts[: end + 1]]) for end in range(len(parts))]
    return " && ".join(f"has({step})" for step in steps)


def _kept(path: str, default: str) -> str:
    """Return the rule that an update does not change a value."""
    return f"{_value(path, default)} == {_value(path, default, of='oldSelf')}"


_MOVE = "export the memories and import them into a new SomaMemory"
_EMBEDDED = "'Embedded'"
_RETAIN = "'Retain'"
_NONE = "'None'"
_WORDLLAMA = "'Wordllama'"
_SIZE = ("storage.embedded.size", "'10Gi'")
_IS_NOT_LESS = (
    f"quantity({_value(*_SIZE)}).compareTo(quantity({_value(*_SIZE, of='oldSelf')})) >= 0"
)
# How large a class has made the volume, the operator sees.
_SIZE_IS_OF_CLASS = f"has(oldSelf.className) && !({_given(_SIZE[0], of='oldSelf')})"
_DIMENSIONS = ("embeddings.dimensions", str(DEFAULT_DIMENSIONS))

_TARGET = "has(self.backup) && has(self.backup.target)"
_SCHEDULED = "has(self.backup) && has(self.backup.schedule)"
_WITH_KEY = "has(self.backup.tokenSecretName)"
_WITH_CERTIFICATE = "has(self.backup.clientCertificateSecretName)"
_BOOTSTRAP = "has(self.bootstrap)"

_HPA = f"{_value('autoscaling.type', _NONE)} != 'HPA' || has(self.className)"
_MOST = _value("autoscaling.maxReplicas", "1")

_MESSAGE_BYTES = ("limits.maxMessageBytes", str(DEFAULT_MESSAGE_BYTES))
_ARE_LIMITS_FITTING = f"{_value(*_MESSAGE_BYTES)} > {_value('limits.maxPayloadBytes', '0')}"
_LIMITS = f"limits.maxMessageBytes (default {DEFAULT_MESSAGE_BYTES}) must be larger than limits.maxPayloadBytes"

LIMITS_RULE = rules((_ARE_LIMITS_FITTING, _LIMITS))

SPEC_RULES = rules(
    (
        f"{_value('storage.type', _EMBEDDED)} != 'Embedded' || {_value('replicas', '1')} <= 1",
        "storage.type Embedded keeps all memories on one volume, which one server holds: replicas must be 0 or 1",
    ),
    (
        f"{_value('storage.type', _EMBEDDED)} != 'Embedded' || {_MOST} <= 1",
        "autoscaling.maxReplicas must be 1 with storage.type Embedded: one volume is held by one server",
    ),
    (
        f"{_value('autoscaling.minReplicas', '1')} <= {_MOST}",
        "autoscaling.minReplicas must not be above autoscaling.maxReplicas (default 1)",
    ),
    (
        f"{_HPA} || {_value('resources.requests', '{}')}.exists(name, name == 'cpu')",
        "autoscaling.type HPA compares with resources.requests.cpu: name one",
    ),
    (
        f"{_value('embeddings.provider', _WORDLLAMA)} != 'Wordllama' || {_value(*_DIMENSIONS)} in [64, 128, 256]",
        "embeddings.dimensions must be 64, 128 or 256 with the provider Wordllama",
    ),
    # With a class the operator looks at what both say together.
    (f"has(self.className) || {_ARE_LIMITS_FITTING}", _LIMITS),
    (
        f"!({_SCHEDULED}) || ({_TARGET})",
        "backup.schedule needs backup.target: a place where the copies are kept",
    ),
    (
        f"{_value('deletionPolicy', _RETAIN)} != 'Snapshot' || ({_TARGET})",
        "deletionPolicy Snapshot needs backup.target: a place where the last copy is kept",
    ),
    (
        f"!({_SCHEDULED}) || {_value('auth.type', _NONE)} != 'Tokens' || {_WITH_KEY} || {_WITH_CERTIFICATE}",
        "backup.schedule with auth.type Tokens needs backup.tokenSecretName: a Secret with a token of the scope backup",
    ),
    (
        f"!({_SCHEDULED}) || {_value('tls.clientAuth', _NONE)} != 'Require' || {_WITH_CERTIFICATE}",
        "backup.schedule with tls.clientAuth Require needs backup.clientCertificateSecretName",
    ),
    (
        f"{_BOOTSTRAP} == has(oldSelf.bootstrap) && (!{_BOOTSTRAP} || self.bootstrap == oldSelf.bootstrap)",
        "bootstrap cannot be changed: it speaks of the first start; create a new SomaMemory",
    ),
    (
        _kept("storage.type", _EMBEDDED),
        f"storage.type cannot be changed: {_MOVE}",
    ),
    (
        _kept("storage.embedded.storageClassName", "''"),
        f"storage.embedded.storageClassName cannot be changed: {_MOVE}",
    ),
    (
        _kept("storage.embedded.accessMode", "'ReadWriteOnce'"),
        f"storage.embedded.accessMode cannot be changed: {_MOVE}",
    ),
    (
        f"{_SIZE_IS_OF_CLASS} || !isQuantity({_value(*_SIZE)}) || {_IS_NOT_LESS}",
        f"storage.embedded.size cannot shrink: {_MOVE}",
    ),
    (
        _kept(*_DIMENSIONS),
        f"embeddings.dimensions cannot be changed: {_MOVE}",
    ),
)

_OWN_VOLUME = (
    "has(self.spec) && has(self.spec.backup) && has(self.spec.backup.target)"
    " && has(self.spec.backup.target.volume)"
)

RESOURCE_RULES = rules(
    (
        "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must be at most 52 characters of a-z, 0-9 and '-', first a letter, last not '-'",
    ),
    (
        f"!({_OWN_VOLUME}) || self.spec.backup.target.volume.claimName != self.metadata.name + '-data'",
        "backup.target.volume.claimName must not be the memory's own claim, which its copies are to outlive",
    ),
)
