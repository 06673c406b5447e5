"""SomaMemory, SomaMemoryBackup and SomaMemoryClass, version v1alpha1: the types, and the only source of the CRDs.

Rules:
    - A default here is the operator's; only `SCHEMA_DEFAULTED` fields get it from the API server as well, so that
      what a user left open stays visible as open, and a SomaMemoryClass can fill it.
    - A rule over several fields is CEL, in `rules(...)`, with a sentence that names the mend.
    - No default inside a list item; a list of objects has a key, or is atomic where the API that it is copied from
      gives it none: else GitOps tools see differences.
"""

from pydantic import ConfigDict

from soma_operator.api.v1alpha1.backup import SomaMemoryBackup, SomaMemoryBackupSpec
from soma_operator.api.v1alpha1.backup_policy import BackupPolicy, Bootstrap, Retention
from soma_operator.api.v1alpha1.backup_target import BackupTarget
from soma_operator.api.v1alpha1.base import (
    APPROVE_ANNOTATION,
    DEFAULT_DIMENSIONS,
    DEFAULT_MESSAGE_BYTES,
    FORCE_DELETE_ANNOTATION,
    GRPC_PORT,
    HIBERNATE_ANNOTATION,
    HTTP_PORT,
    LONGEST_MESSAGE,
    NEVER_OBSERVED,
    PAUSE_ANNOTATION,
    QUANTITY_PATTERN,
    REJECT_ANNOTATION,
    RESTART_ANNOTATION,
    ApiModel,
)
from soma_operator.api.v1alpha1.memory_class import SomaMemoryClass, SomaMemoryClassSpec
from soma_operator.api.v1alpha1.network import Limits, ServiceSpec
from soma_operator.api.v1alpha1.pod_patch import PodPatch
from soma_operator.api.v1alpha1.pod_template import PodSecurity, PodTemplate
from soma_operator.api.v1alpha1.rules import RESOURCE_RULES, SPEC_RULES
from soma_operator.api.v1alpha1.security import Auth, Tls
from soma_operator.api.v1alpha1.spec import SCHEMA_DEFAULTED, SomaMemorySpec
from soma_operator.api.v1alpha1.status import SomaMemoryStatus
from soma_operator.api.v1alpha1.storage import OpenAIEmbedder
from soma_operator.api.v1alpha1.update import MaintenanceWindow, UpdateStrategy
from soma_operator.api.v1alpha1.workload import Image, KedaTrigger

__all__ = [
    "APPROVE_ANNOTATION",
    "DEFAULT_DIMENSIONS",
    "DEFAULT_MESSAGE_BYTES",
    "FORCE_DELETE_ANNOTATION",
    "GRPC_PORT",
    "HIBERNATE_ANNOTATION",
    "HTTP_PORT",
    "LONGEST_MESSAGE",
    "NEVER_OBSERVED",
    "PAUSE_ANNOTATION",
    "QUANTITY_PATTERN",
    "REJECT_ANNOTATION",
    "RESOURCE_RULES",
    "RESTART_ANNOTATION",
    "SCHEMA_DEFAULTED",
    "SPEC_RULES",
    "ApiModel",
    "Auth",
    "BackupPolicy",
    "BackupTarget",
    "Bootstrap",
    "Image",
    "KedaTrigger",
    "Limits",
    "MaintenanceWindow",
    "OpenAIEmbedder",
    "PodPatch",
    "PodSecurity",
    "PodTemplate",
    "Retention",
    "ServiceSpec",
    "SomaMemory",
    "SomaMemoryBackup",
    "SomaMemoryBackupSpec",
    "SomaMemoryClass",
    "SomaMemoryClassSpec",
    "SomaMemorySpec",
    "SomaMemoryStatus",
    "Tls",
    "UpdateStrategy",
]


class SomaMemory(ApiModel):
    """A long-term memory for agents: a gRPC server and its durable store."""

    model_config = ConfigDict(json_schema_extra=RESOURCE_RULES)

    spec: SomaMemorySpec = SomaMemorySpec()
    """What is wished for."""

    status: SomaMemoryStatus | None = None
    """What is observed."""
