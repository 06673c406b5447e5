"""Calls of NamespaceService."""

from collections.abc import Sequence

from google.protobuf import field_mask_pb2

from soma.memory.v1 import namespace_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import Call, call, read_rpc, rpc
from somamemory.model import DEFAULT_NAMESPACE

_SERVICE = "NamespaceService"

CREATE = rpc(_SERVICE, "CreateNamespace", pb.CreateNamespaceRequest, pb.CreateNamespaceResponse)
GET = read_rpc(_SERVICE, "GetNamespace", pb.GetNamespaceRequest, pb.GetNamespaceResponse)
UPDATE = rpc(_SERVICE, "UpdateNamespace", pb.UpdateNamespaceRequest, pb.UpdateNamespaceResponse)
DELETE = rpc(_SERVICE, "DeleteNamespace", pb.DeleteNamespaceRequest, pb.DeleteNamespaceResponse)
GET_STATS = read_rpc(_SERVICE, "GetStats", pb.GetStatsRequest, pb.GetStatsResponse)
LIST = read_rpc(_SERVICE, "ListNamespaces", pb.ListNamespacesRequest, pb.ListNamespacesResponse)

METHODS = (CREATE, GET, UPDATE, DELETE, GET_STATS, LIST)


def create_namespace(
    name: str, policy: model.NamespacePolicy | None = None
) -> Call[model.Namespace]:
    """Make a namespace with a policy; the first write makes one, too.

    Raises:
        AlreadyExists: There is one of that name.
    """
    request = pb.CreateNamespaceRequest(
        namespace=name, policy=codec.policy_message(policy or model.NamespacePolicy())
    )
    return call(CREATE, request, lambda response: codec.namespace(response.namespace))


def get_namespace(name: str) -> Call[model.Namespace]:
    """Describe one namespace."""
    request = pb.GetNamespaceRequest(namespace=name)
    return call(GET, request, lambda response: codec.namespace(response.namespace))


def update_namespace(
    name: str,
    policy: model.NamespacePolicy,
    *,
    fields: Sequence[str] = (),
    expected_version: int | None = None,
) -> Call[model.Namespace]:
    """Change the policy of one namespace.

    Args:
        name: Which one.
        policy: The new values.
        fields: Which of them are taken; empty: all.
        expected_version: Change only this version of the policy. None: whatever version there is.
    """
    request = pb.UpdateNamespaceRequest(
        namespace=name,
        policy=codec.policy_message(policy),
        update_mask=field_mask_pb2.FieldMask(paths=fields),
        expected_version=expected_version,
    )
    return call(UPDATE, request, lambda response: codec.namespace(response.namespace))


def delete_namespace(name: str) -> Call[int]:
    """Delete a namespace with everything in it.

    Returns:
        The commit that made it unreachable; the name may be used again at once.
    """
    request = pb.DeleteNamespaceRequest(namespace=name)
    return call(DELETE, request, lambda response: response.commit_seq)


def stats(*, namespace: str = DEFAULT_NAMESPACE) -> Call[model.Stats]:
    """Count what a namespace holds."""
    return call(GET_STATS, pb.GetStatsRequest(namespace=namespace), codec.stats)


def list_namespaces(*, page_size: int = 0) -> Call[model.Page[str]]:
    """Iterate over the names of the caller's namespaces, in order."""
    return call(
        LIST,
        pb.ListNamespacesRequest(page_size=page_size),
        lambda response: model.Page(tuple(response.namespaces), response.next_page_token),
    )
