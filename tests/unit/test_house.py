"""Rules of the house that no other tool checks."""

import operator
import sysconfig
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)

ROOT = Path(__file__).resolve().parents[2]
FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        admin_service_pb2,
        lifecycle_service_pb2,
        link_service_pb2,
        memory_pb2,
        memory_service_pb2,
        namespace_service_pb2,
        recall_service_pb2,
    )
]


def test_the_room_operator_is_no_package() -> None:
    """With an __init__.py the folder would hide the standard library's operator."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert operator.__file__.startswith(sysconfig.get_path("stdlib"))


def test_every_rpc_has_its_own_request_and_response() -> None:
    """Store takes StoreRequest and gives StoreResponse, so that each can grow alone."""
    for file in FILES:
        for service in file.services_by_name.values():
            assert service.name.endswith("Service")
            for method in service.methods:
                assert method.input_type.name == f"{method.name}Request"
                assert method.output_type.name == f"{method.name}Response"


def test_the_zero_of_every_enum_is_unspecified() -> None:
    """What was not set can be told from every value."""
    for file in FILES:
        for enum in file.enum_types_by_name.values():
            assert enum.values[0].number == 0
            assert enum.values[0].name.endswith("_UNSPECIFIED")


def test_the_wire_package_is_its_folder() -> None:
    """soma.memory.v1 lives in soma/memory/v1, version last."""
    for file in FILES:
        assert file.package == "soma.memory.v1"
        assert file.name.startswith("soma/memory/v1/")


def test_no_request_names_a_tenant() -> None:
    """The credential alone decides the tenant."""
    for file in FILES:
        for message in file.message_types_by_name.values():
            if message.name.endswith("Request"):
                assert not any("tenant" in field.name for field in message.fields)
