"""The pinned tools: built from Go modules into the cache, once, and again when their pin changes.

Each folder of `dev/tools` is a Go module that pins one family of programs. A stamp beside a binary holds a hash
of what it was built from, so that a binary is never taken for another version of itself.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soma_dev import golang
from soma_dev.paths import ROOT, cache, tool
from soma_dev.problem import Problem

KUBERNETES_VERSION = "v1.36.3"
FLAGS = (
    "-s -w"
    f" -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
    f" -X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES_VERSION}"
)
"""Kubernetes learns its version from its linker only."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and what it is built from."""

    name: str
    module: str
    """Folder in `dev/tools`."""
    package: str
    seconds: int
    """How long the build took on two quiet cores with an empty build cache, in the order of `TOOLS`."""

    @property
    def source(self) -> Path:
        """Folder of the Go module."""
        return ROOT / "dev" / "tools" / self.module

    @property
    def stamp(self) -> Path:
        """File that says what the binary in the cache was built from."""
        return cache() / "bin" / ".stamps" / self.name


CONTAINERD = "github.com/containerd/containerd/v2/cmd"
PLUGINS = "github.com/containernetworking/plugins/plugins"

TOOLS = (
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 203),
    Tool(
        "kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 50
    ),
    Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 5),
    Tool("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet", 17),
    Tool("kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy", 5),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", 20),
    Tool("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", 8),
    Tool("containerd", "containerd", f"{CONTAINERD}/containerd", 49),
    Tool("containerd-shim-runc-v2", "containerd", f"{CONTAINERD}/containerd-shim-runc-v2", 4),
    Tool("ctr", "containerd", f"{CONTAINERD}/ctr", 4),
    Tool("bridge", "containerd", f"{PLUGINS}/main/bridge", 4),
    Tool("loopback", "containerd", f"{PLUGINS}/main/loopback", 2),
    Tool("portmap", "containerd", f"{PLUGINS}/meta/portmap", 2),
    Tool("host-local", "containerd", f"{PLUGINS}/ipam/host-local", 2),
    Tool("coredns", "coredns", ".", 52),
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", 90),
)
KIND = Tool("kind", "kind", "sigs.k8s.io/kind", 30)
KWOK = Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 195)
"""Plays nodes and pods, where many are wanted and none is to run."""

BY_NAME = {one.name: one for one in (*TOOLS, KIND, KWOK)}
TEST_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "etcd", "kubectl")
CLIENTS = ("kubectl", "helm")
PLAYED_NODES = ("kube-scheduler", KWOK.name)
TESTS = (*TEST_CONTROL_PLANE, *CLIENTS, *PLAYED_NODES)
"""What tests run whatever cluster they have."""
NATIVE_NODE = tuple(one.name for one in TOOLS)


def is_built(wanted: Tool) -> bool:
    """Tell whether the cache holds the tool as it is pinned now."""
    binary = tool(wanted.name)
    return binary.exists() and (_stamped(wanted) == key(wanted) or _adopted(wanted))


def missing(names: Sequence[str]) -> list[Tool]:
    """Return the tools that are still to be built, each once."""
    return [BY_NAME[name] for name in dict.fromkeys(names) if not is_built(BY_NAME[name])]


def ensure(names: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Build what is missing, one after the other, so that they share what they compile.

    Args:
        names: Which tools.
        say: Told of each one before and after its build.

    Raises:
        Problem: A build failed; carries the compiler's last words.
    """
    if not missing(names):
        return
    with _held():
        for wanted in missing(names):  # another process may have built them while we waited
            say(f"building {wanted.name} (about {wanted.seconds} s on two quiet cores)")
            started = time.monotonic()
            _build(wanted)
            say(f"built {wanted.name} in {time.monotonic() - started:.0f} s")


def key(wanted: Tool) -> str:
    """Return a hash of all that decides what the binary is."""
    digest = hashlib.sha256(f"{wanted.package}\0{FLAGS}".encode())
    for path in sorted(wanted.source.glob("*")):
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def matches_pins(listing: str, sums: str) -> bool:
    """Tell whether every module in a binary is pinned, with the same hash, by a `go.sum`.

    Args:
        listing: What `go version -m` says of the binary.
        sums: Content of `go.sum`.
    """
    pinned = {tuple(line.split()) for line in sums.splitlines()}
    rows = [line.split() for line in listing.splitlines()]
    modules = [tuple(row[1:]) for row in rows if row[:1] in (["mod"], ["dep"], ["=>"])]
    # A module of our own, and one that is replaced, stand without a hash.
    hashed = [module for module in modules if len(module) == 3 and module[2].startswith("h1:")]
    return bool(hashed) and all(module in pinned for module in hashed)


def _build(wanted: Tool) -> None:
    binary = tool(wanted.name)
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_name(f".{wanted.name}.part")
    command = [
        str(golang.find()), "build", "-mod=readonly", "-trimpath", f"-ldflags={FLAGS}",
        "-o", str(part), wanted.package,
    ]  # fmt: skip
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        command, cwd=wanted.source, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Problem(
            f"{wanted.name} does not build: {done.stderr.strip()[-2000:]}",
            mend="read the message above; the Go module proxy must be reachable, and 10 GB of disk free",
        )
    part.replace(binary)
    _write_stamp(wanted)


def _adopted(wanted: Tool) -> bool:
    """Take over a binary without a stamp, when all that is in it is what the module pins."""
    if wanted.stamp.exists():
        return False
    listed = subprocess.run(
        [str(golang.find()), "version", "-m", str(tool(wanted.name))],
        capture_output=True,
        text=True,
        check=False,
    )
    fits = matches_pins(listed.stdout, (wanted.source / "go.sum").read_text())
    if fits:
        _write_stamp(wanted)
    return fits


def _write_stamp(wanted: Tool) -> None:
    wanted.stamp.parent.mkdir(parents=True, exist_ok=True)
    part = wanted.stamp.with_name(f".{wanted.name}.{os.getpid()}")
    part.write_text(key(wanted))
    part.replace(wanted.stamp)


def _stamped(wanted: Tool) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        return wanted.stamp.read_text()
    return None


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """Let one process at a time build; the kernel frees the lock of a killed one."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
