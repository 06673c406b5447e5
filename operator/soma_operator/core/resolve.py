"""From a SomaMemory to complete, typed values: the only input of the renderers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from soma_common.errors import InvalidInput, Violation
from soma_common.violations import violations_of
from soma_operator.api.v1alpha1 import (
    APPROVE_ANNOTATION,
    HIBERNATE_ANNOTATION,
    PAUSE_ANNOTATION,
    REJECT_ANNOTATION,
    RESTART_ANNOTATION,
    Image,
    SomaMemory,
    SomaMemorySpec,
)
from soma_operator.core.content import content_hash
from soma_operator.core.cron import parse_cron
from soma_operator.core.inherit import check_together, inherited
from soma_operator.core.jobs import has_completed
from soma_operator.core.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, Manifest, never_got_volume
from soma_operator.core.observed import Defaults, Observed
from soma_operator.core.quantity import parse_quantity

SOURCE_ANNOTATION = "memory.soma.sh/source"
"""On a Job that restores: the copy, as people write it."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image, complete."""

    repository: str
    tag: str | None
    digest: str | None
    pull_policy: str
    pull_secrets: tuple[str, ...]

    @property
    def full(self) -> str:
        """The name that the node pulls; a digest wins over a tag."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def version(self) -> str:
        """A short name for people and labels."""
        return version_of(self.tag, self.digest)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the children."""

    resource: str

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap."""
        return f"{self.resource}-config"

    @property
    def pods_service(self) -> str:
        """Name of the headless Service."""
        return f"{self.resource}-pods"

    @property
    def claim(self) -> str:
        """Name of the PersistentVolumeClaim."""
        return f"{self.resource}-data"


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many servers there are to be.

    Attributes:
        wished: The number.
        is_ours: Whether we write it; else an autoscaler does, and a write of ours would undo its own.
    """

    wished: int
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class ResolvedMemory:
    """One SomaMemory with nothing left open; renderers read nothing else.

    Attributes:
        spec: The spec with the defaults of its class and of the operator filled in.
        claim_size: What the claim asks for: never less than it has, for a volume cannot shrink.
        access_mode: Who may mount the volume at once: as the volume that there is was made, or as the spec says.
        storage_class: Storage class that the claim names; None: none.
        replicas: How many servers there are to be.
        is_exclusive: Whether the storage is held by one server at a time.
        is_paused: Whether nothing may be changed, by the spec or by the annotation.
        is_hibernated: Whether no server may run, by the spec or by the annotation.
        is_restoring: Whether the storage does not hold yet what it is to begin with, so that no server may run.
        restarted_at: Value of the annotation that restarts pods; None: never asked.
        approved_revision: Value of the annotation that lets a waiting revision run.
        rejected_revision: Value of the annotation that lets a revision no longer run.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    spec: SomaMemorySpec
    image: ImageReference
    claim_size: str
    access_mode: str
    storage_class: str | None
    replicas: Replicas
    is_exclusive: bool
    is_paused: bool
    is_hibernated: bool
    is_restoring: bool
    restarted_at: str | None
    approved_revision: str | None
    rejected_revision: str | None

    @property
    def names(self) -> Names:
        """Names of the children."""
        return Names(self.name)

    @property
    def retains_data(self) -> bool:
        """Whether the volume outlives the resource, unless somebody deletes it."""
        return self.spec.deletion_policy != "Delete"


def resolve(observed: Observed) -> ResolvedMemory:
    """Fill in what the SomaMemory leaves open.

    Raises:
        InvalidInput: The resource or its class does not have the form of this version, being stored under another
            schema; or both together are not valid.
    """
    metadata = observed.metadata
    spec = _with_class(observed)
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    is_hibernated = spec.hibernated or annotations.get(HIBERNATE_ANNOTATION) == "true"
    is_restoring = spec.bootstrap.type != "Empty" and restored_from(observed) is None
    return ResolvedMemory(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        spec=spec,
        image=_image(spec.image, observed.defaults),
        claim_size=_claim_size(spec.storage.embedded.size, observed),
        access_mode=_access_mode(spec.storage.embedded.access_mode, observed),
        storage_class=_storage_class(spec.storage.embedded.storage_class_name, observed),
        replicas=_replicas(spec, observed, is_stopped=is_hibernated or is_restoring),
        is_exclusive=spec.storage.type == "Embedded",
        is_paused=spec.paused or annotations.get(PAUSE_ANNOTATION) == "disabled",
        is_hibernated=is_hibernated,
        is_restoring=is_restoring,
        restarted_at=annotations.get(RESTART_ANNOTATION),
        approved_revision=annotations.get(APPROVE_ANNOTATION),
        rejected_revision=annotations.get(REJECT_ANNOTATION),
    )


def resolve_for_deletion(observed: Observed) -> ResolvedMemory:
    """Fill in what a deletion needs to know: without the class, where that makes the SomaMemory invalid.

    Raises:
        InvalidInput: The resource alone does not have the form of this version.
    """
    try:
        return resolve(observed)
    except InvalidInput:
        return resolve(replace(observed, of_class=None))


def _with_class(observed: Observed) -> SomaMemorySpec:
    if observed.of_class is None:
        return _parsed(observed.resource)
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, Names(observed.key.name).claim) or {}
    has_volume = "volumeName" in claim.get("spec", {})
    said = observed.resource.get("spec") or {}
    spec = _parsed({"spec": inherited(said, observed.of_class, has_volume=has_volume)})
    check_together(spec)
    return spec


def restored_from(observed: Observed) -> str | None:
    """Return the copy that the storage began with; None: none yet, or it began empty."""
    told: str | None = observed.status.get("storage", {}).get("restoredFrom")
    job = observed.restore.job
    if told is None and job is not None and has_completed(job):
        return str(job["metadata"]["annotations"][SOURCE_ANNOTATION])
    return told


def restore_job_name(name: str, uid: str) -> str:
    """Return the name of the Job that restores; a namesake of the memory has another."""
    return f"{name[:46]}-restore-{content_hash(uid)[:8]}"


def secret_names(resource: Mapping[str, Any], of_class: Manifest | None) -> frozenset[str]:
    """Return the names of the Secrets that its pods need; none where it cannot be understood."""
    said = resource.get("spec") or {}
    try:
        # The storage class, which a volume decides about, names no Secret.
        both = said if of_class is None else inherited(said, of_class, has_volume=False)
        return secrets_of(_parsed({"spec": both}))
    except InvalidInput:
        return frozenset()


def secrets_of(spec: SomaMemorySpec) -> frozenset[str]:
    """Return the names of the Secrets that the pods of a spec need."""
    tls, auth, openai = spec.tls, spec.auth, spec.embeddings.openai
    named = {
        tls.secret_name if tls.is_on else None,
        tls.client_ca_secret_name if tls.client_auth == "Require" else None,
        auth.tokens_secret_name if auth.type == "Tokens" else None,
        openai.api_key_secret_name if openai is not None else None,
    }
    return frozenset(name for name in named if name is not None) | spec.pod_template.secret_names


def _parsed(resource: Mapping[str, Any]) -> SomaMemorySpec:
    try:
        # The status is our own output and may come from another version: it is read leniently, elsewhere.
        spec = SomaMemory.model_validate({"spec": resource.get("spec") or {}}).spec
    except ValidationError as error:
        raise InvalidInput("the spec is not valid", violations=violations_of(error)) from None
    _check_schedules(spec)
    return spec


def _check_schedules(spec: SomaMemorySpec) -> None:
    windows = enumerate(spec.update_strategy.maintenance_windows)
    schedules = {
        "spec.backup.schedule": spec.backup.schedule,
        **{
            f"spec.updateStrategy.maintenanceWindows[{index}].schedule": window.schedule
            for index, window in windows
        },
    }
    violations = []
    for field, schedule in schedules.items():
        try:
            parse_cron(schedule or "@daily")
        except InvalidInput as error:
            violations.append(Violation(field, error.message))
    if violations:
        raise InvalidInput("the spec is not valid", violations=violations)


def _image(wish: Image, defaults: Defaults) -> ImageReference:
    repository, tag, digest = split_image(defaults.server_image)
    if wish.repository is not None:
        repository = wish.repository
    if wish.tag is not None or wish.digest is not None or wish.repository is not None:
        # A tag or digest of ours says nothing about another repository, nor a digest about another tag.
        digest = wish.digest
        tag = wish.tag or (tag if wish.repository is None else None)
    return ImageReference(
        repository=repository,
        tag=tag,
        digest=digest,
        pull_policy=wish.pull_policy or defaults.server_pull_policy,
        pull_secrets=tuple(secret.name for secret in wish.pull_secrets),
    )


def split_image(image: str) -> tuple[str, str | None, str | None]:
    """Return repository, tag and digest of an image's full name."""
    rest, _, digest = image.partition("@")
    head, slash, last = rest.rpartition("/")
    # A colon before the last slash belongs to the registry's port.
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", tag or None, digest or None


def version_of(tag: str | None, digest: str | None) -> str:
    """Return a short name of an image for people and labels."""
    return digest.removeprefix("sha256:")[:12] if digest else tag or "latest"


def _replicas(spec: SomaMemorySpec, observed: Observed, *, is_stopped: bool) -> Replicas:
    if is_stopped:
        return Replicas(0)
    if spec.autoscaling.type == "None":
        return Replicas(spec.replicas)
    deployment = observed.child(DEPLOYMENT, observed.key.name)
    present = 0 if deployment is None else deployment["spec"].get("replicas", 1)
    # A target of 0 is left alone, by KEDA because it is paused: after hibernation somebody has to wake it.
    if deployment is None or present == 0:
        return Replicas(spec.autoscaling.min_replicas)
    # What nobody else owns would fall back to 1 if we let go of it: it is held until the autoscaler writes its own.
    return Replicas(present, is_ours=not _is_scaled_by_others(deployment))


def _is_scaled_by_others(deployment: Manifest) -> bool:
    return any(
        entry.get("subresource") == "scale"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in deployment["metadata"].get("managedFields", [])
    )


def _access_mode(wished: str, observed: Observed) -> str:
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, Names(observed.key.name).claim)
    if claim is None or never_got_volume(claim):
        return wished
    present: str = next(iter(claim["spec"].get("accessModes", [])), wished)
    return present


def _storage_class(wished: str | None, observed: Observed) -> str | None:
    """Return what the claim names: what was named for a volume cannot be taken back, whoever wished for it."""
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, Names(observed.key.name).claim)
    if wished is not None or claim is None or never_got_volume(claim):
        return wished
    present: str | None = claim["spec"].get("storageClassName")
    return present if _is_applied(claim, "storageClassName") else None


def _is_applied(claim: Manifest, field: str) -> bool:
    """Return whether an apply named a field of a claim; what the API server filled in, nobody did."""
    return any(
        entry.get("operation") == "Apply"
        and f"f:{field}" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in claim["metadata"].get("managedFields", [])
    )


def _claim_size(wished: str, observed: Observed) -> str:
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, Names(observed.key.name).claim)
    if claim is None or never_got_volume(claim):
        return wished
    present: str = claim["spec"].get("resources", {}).get("requests", {}).get("storage", wished)
    larger = (parse_quantity(present) or 0) > (parse_quantity(wished) or 0)
    return present if larger else wished
