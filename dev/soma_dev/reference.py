"""The reference pages that are made from their sources: the API from the protos, settings from their classes."""

import subprocess
import sys
import tempfile
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.rpc import status_pb2
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from soma_common.settings import SMFSettings, SomaBaseSettings
from soma_operator.settings import OperatorSettings

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "soma.memory.v1"
FOLDERS: tuple[str, ...] = ()
"""None: the pages lie beside others."""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    _FIELD.TYPE_DOUBLE: "double",
    _FIELD.TYPE_INT64: "int64",
    _FIELD.TYPE_INT32: "int32",
    _FIELD.TYPE_BOOL: "bool",
    _FIELD.TYPE_STRING: "string",
    _FIELD.TYPE_BYTES: "bytes",
}

# Numbers of the parts in a descriptor's source paths, as google/protobuf/descriptor.proto defines them.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_MEMBERS = 2

Path_ = tuple[int, ...]
Comments = dict[Path_, str]


def reference_pages() -> dict[Path, bytes]:
    """Return every generated reference page."""
    return {
        Path("docs/reference/api.md"): _api_page().encode(),
        Path("docs/reference/settings.md"): _settings_page().encode(),
        Path(".env.example"): _env_example().encode(),
    }


def _api_page() -> str:
    files = [file for file in _descriptors().file if file.package == PACKAGE]
    lines = [
        f"# The API: `{PACKAGE}`",
        "",
        "Generated from `proto/` by `make docs`; the comments there are the text here.",
        "Errors are `google.rpc.Status` with `ErrorInfo`, and where they apply `BadRequest` with every violation,",
        "`RetryInfo`, `ResourceInfo`. Besides these services a server answers `grpc.health.v1`, reflection, and",
        "the four calls of `somafractalmemory.MemoryService`.",
    ]
    for file in files:
        lines += _file_lines(file)
    return "\n".join(lines) + "\n"


def _descriptors() -> descriptor_pb2.FileDescriptorSet:
    sources = sorted(
        str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto/soma").rglob("*.proto")
    )
    google = Path(status_pb2.__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        command = [
            sys.executable, "-m", "grpc_tools.protoc", "--proto_path=proto", f"--proto_path={google}",
            "--include_source_info", f"--descriptor_set_out={made}", *sources,
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT)
        return descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes())


def _file_lines(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    comments = {
        tuple(each.path): " ".join(each.leading_comments.split())
        for each in file.source_code_info.location
        if each.leading_comments
    }
    yield from ("", f"## {file.name.rpartition('/')[2]}")
    for index, service in enumerate(file.service):
        yield from _service_lines(service, (_SERVICES, index), comments)
    for index, message in enumerate(file.message_type):
        yield from _message_lines(message, (_MESSAGES, index), comments)
    for index, enum in enumerate(file.enum_type):
        yield from _enum_lines(enum, (_ENUMS, index), comments)


def _service_lines(
    service: descriptor_pb2.ServiceDescriptorProto, at: Path_, comments: Comments
) -> Iterator[str]:
    yield from ("", f"### service {service.name}", "", comments[at], "")
    yield from ("| call | takes | gives | |", "|---|---|---|---|")
    for index, rpc in enumerate(service.method):
        takes, gives = _reference(rpc.input_type), _reference(rpc.output_type)
        yield f"| `{rpc.name}` | {takes} | {gives} | {_cell(comments[(*at, _MEMBERS, index)])} |"


def _message_lines(
    message: descriptor_pb2.DescriptorProto, at: Path_, comments: Comments
) -> Iterator[str]:
    yield from ("", f"### {message.name}", "", comments[at])
    if message.field:
        yield from ("", "| field | type | number | |", "|---|---|--:|---|")
    maps = {each.name: each for each in message.nested_type if each.options.map_entry}
    for index, field in enumerate(message.field):
        text = _cell(comments.get((*at, _MEMBERS, index), ""))
        if field.HasField("oneof_index") and not field.proto3_optional:
            text = f"*one of `{message.oneof_decl[field.oneof_index].name}`.* {text}"
        yield f"| `{field.name}` | {_type(field, maps)} | {field.number} | {text} |"


def _enum_lines(
    enum: descriptor_pb2.EnumDescriptorProto, at: Path_, comments: Comments
) -> Iterator[str]:
    yield from (
        "",
        f"### {enum.name}",
        "",
        comments[at],
        "",
        "| value | number | |",
        "|---|--:|---|",
    )
    for index, value in enumerate(enum.value):
        yield f"| `{value.name}` | {value.number} | {_cell(comments[(*at, _MEMBERS, index)])} |"


def _type(field: Any, maps: dict[str, Any]) -> str:
    entry = maps.get(field.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = entry.field
        return f"map of {_type(key, {})} to {_type(value, {})}"
    name = _SCALARS.get(field.type) or _reference(field.type_name)
    if field.label == _FIELD.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _reference(type_name: str) -> str:
    """Return a link to a type of this page; others are only named."""
    name = type_name.lstrip(".")
    short = name.removeprefix(f"{PACKAGE}.")
    return f"[{short}](#{short.lower()})" if short != name else f"`{name}`"


def _settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Generated from the classes by `make docs`; their docstrings are the text here.",
        "Precedence: explicit argument > environment > file (named by `SOMA_ENV_FILE`) > default.",
        *_settings_lines("Memory server: `python -m memory_server`", SMFSettings),
        *_settings_lines("Operator: `python -m soma_operator`", OperatorSettings),
    ]
    return "\n".join(lines) + "\n"


def _settings_lines(title: str, kind: type[SomaBaseSettings]) -> Iterator[str]:
    prefix = kind.model_config["env_prefix"]
    yield from ("", f"## {title}", "", "| variable | values | default | |", "|---|---|---|---|")
    for name, field in kind.model_fields.items():
        text = _cell(" ".join((field.description or "").split()))
        yield f"| `{prefix}{name.upper()}` | {_values(field)} | {_default(field)} | {text} |"


def _env_example() -> str:
    lines = [
        "# Settings of the memory server; `make docs` writes this file. Copy it, take the `#` away from what you",
        "# change, and name the copy in SOMA_ENV_FILE.",
    ]
    prefix = SMFSettings.model_config["env_prefix"]
    for name, field in SMFSettings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else field.default
        text = textwrap.wrap(field.description or "", 116)
        lines += ["", *(f"# {line}" for line in text), f"#{prefix}{name.upper()}={default}"]
    return "\n".join(lines) + "\n"


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(each, name):,}"
        for each in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(each, name, None) is not None
    ]
    return " ".join([_annotation(field.annotation), ", ".join(bounds)]).strip()


def _annotation(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{each}`" for each in typing.get_args(annotation))
    options = [each for each in typing.get_args(annotation) if each is not type(None)]
    if options:
        return ", ".join(_annotation(each) for each in options)
    names = {
        str: "text",
        int: "integer",
        float: "number",
        bool: "true, false",
        SecretStr: "secret text",
    }
    return names.get(
        annotation, "path" if annotation is Path else getattr(annotation, "__name__", "")
    )


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "none: must be given"
    return "not set" if field.default in (None, "") else f"`{field.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
