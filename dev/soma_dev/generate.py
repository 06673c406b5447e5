"""Write every generated file from its source, or check that it is what its source gives."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from google.rpc import status_pb2

from soma_dev import argocd
from soma_dev.crd_page import crd_page
from soma_dev.crds import FOLDERS as CRD_FOLDERS
from soma_dev.crds import crd_files
from soma_dev.reference import FOLDERS as REFERENCE_FOLDERS
from soma_dev.reference import reference_pages

ROOT = Path(__file__).resolve().parents[2]

Files = dict[Path, bytes]
"""Path relative to the repository's root -> content."""


def proto_code() -> Files:
    """Return the Python code of every .proto file."""
    sources = sorted(path.relative_to(ROOT / "proto") for path in (ROOT / "proto").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        # protoc-gen-mypy_grpc is looked up on the PATH: it lives beside the interpreter.
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        command = [
            sys.executable, "-m", "grpc_tools.protoc", "--proto_path=proto", f"--proto_path={_google_protos()}",
            f"--python_out={folder}", f"--pyi_out={folder}",
            f"--grpc_python_out={folder}", f"--mypy_grpc_out=quiet:{folder}",
            *map(str, sources),
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        made = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
        return {
            Path("proto/gen/python") / path.relative_to(folder): path.read_bytes() for path in made
        }


def resource_files() -> Files:
    """Return the CRD, its copy in the chart, its page, and what Argo CD is told of it."""
    return {
        **crd_files(),
        Path("docs/reference/crd.md"): crd_page().encode(),
        argocd.FILE: argocd.argocd_config_map(),
    }


GENERATORS: dict[str, tuple[Callable[[], Files], tuple[str, ...]]] = {
    "proto": (proto_code, ("proto/gen/python",)),
    "crds": (resource_files, CRD_FOLDERS),
    "docs": (reference_pages, REFERENCE_FOLDERS),
}
"""Name -> what makes the files, and the folders that hold nothing else."""


def write(names: list[str]) -> None:
    """Write the files of the named generators, and remove what they no longer make."""
    for name in names:
        make, folders = GENERATORS[name]
        files = make()
        for folder in folders:
            shutil.rmtree(ROOT / folder, ignore_errors=True)
        for path, content in files.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_bytes(content)


def stale(names: list[str]) -> list[str]:
    """Return the paths that are not what their source gives."""
    found = []
    for name in names:
        make, folders = GENERATORS[name]
        files = make()
        found += [str(path) for path, content in files.items() if _content(path) != content]
        present = (
            path.relative_to(ROOT)
            for folder in folders
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        found += [str(path) for path in present if path not in files]
    return sorted(found)


def _google_protos() -> Path:
    """Return the folder that holds `google/rpc/*.proto`; protoc itself brings only `google/protobuf`."""
    return Path(status_pb2.__file__).parents[2]


def _content(path: Path) -> bytes | None:
    whole = ROOT / path
    return whole.read_bytes() if whole.is_file() else None
