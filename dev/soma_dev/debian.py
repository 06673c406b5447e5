"""Programs that Debian's packages bring."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping

from soma_dev.problem import Problem
from soma_dev.shell import run

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where programs for root are; not on everybody's PATH."""

PACKAGE_OF: Mapping[str, str] = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "ip": "iproute2",
    "nft": "nftables",
    "openssl": "openssl",
    "runc": "runc",
    "setpriv": "util-linux",
    "sysctl": "procps",
}
"""Program -> package."""

ALSO: Mapping[str, tuple[str, ...]] = {"gcc": ("libc6-dev",), "buildah": ("ca-certificates",)}
"""Package -> what it only recommends and we need."""

CONTROL_PLANE = ("openssl", "setpriv")
BUILDAH = ("buildah", "debootstrap", "gcc")
NATIVE_NODE = (*CONTROL_PLANE, "conntrack", "ip", "nft", "runc", "sysctl")


def missing(programs: Iterable[str]) -> list[str]:
    """Return the packages that bring the programs that are not there."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    absent = [program for program in programs if shutil.which(program, path=path) is None]
    packages = {PACKAGE_OF[program] for program in absent}
    return sorted(packages.union(*(ALSO.get(package, ()) for package in packages)))


def ensure(programs: Iterable[str], say: Callable[[str], None] = print) -> None:
    """Install what is missing.

    Raises:
        Problem: Something is missing, and this is not root on a Debian.
    """
    packages = missing(programs)
    if not packages:
        return
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Problem(
            f"these packages are missing: {', '.join(packages)}", mend=f"as root: {command}"
        )
    say(f"installing {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    mend = "the machine's Debian mirror must be reachable"
    run("apt-get", "update", "-qq", environment=environment, mend=mend)
    run(*command.split()[:2], "-y", "-qq", *command.split()[2:], environment=environment, mend=mend)


def extend_path() -> None:
    """Put root's programs on this process's PATH."""
    known = os.environ.get("PATH", "").split(":")
    added = [folder for folder in SYSTEM_PATH.split(":") if folder not in known]
    os.environ["PATH"] = ":".join([*known, *added])
