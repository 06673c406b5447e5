"""Processes that outlive the command that started them, told apart from strangers.

A process id alone names nothing: the kernel gives it to somebody else as soon as the process ended. So a
process is known by its id, the time it started and the boot it belongs to, and it is signalled through a
pidfd, which stays with the process it was opened for.
"""

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot; equal only to itself, for ever."""

    pid: int
    started: int
    """Clock ticks between the boot and the start of the process."""
    boot: str

    def save(self, path: Path) -> None:
        """Write the identity where `load` finds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))


def load(path: Path) -> Identity | None:
    """Read a saved identity; None when there is none, or a torn one."""
    try:
        return Identity(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def identify(pid: int) -> Identity | None:
    """Return who has the process id now; None when nobody has, or only a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in brackets and may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), _boot())


def is_running(identity: Identity) -> bool:
    """Tell whether the very process still runs."""
    return identify(identity.pid) == identity


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Identity:
    """Start a process in a session of its own, which goes on when we end.

    Args:
        command: Program, looked up on the environment's PATH, and its arguments.
        log: File that takes both outputs, from its beginning.
        environment: All of the process's environment.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    outputs = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawnp(
        command[0], list(command), dict(environment), file_actions=outputs, setsid=True
    )
    return identify(pid) or Identity(pid, 0, _boot())


def stop(identity: Identity, *, grace_s: float = 10.0) -> bool:
    """End the very process: SIGTERM, and SIGKILL after the grace; True when it was running."""
    with _opened(identity) as handle:
        if handle is None:
            return False
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], patience_s)[0]:
                break
    _reap(identity.pid)
    return True


def kill(identity: Identity) -> bool:
    """End the very process at once; True when it was running."""
    with _opened(identity) as handle:
        if handle is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 10.0)
    _reap(identity.pid)
    return True


def with_environment(name: str, value: str) -> list[Identity]:
    """Return the processes that were started with `name=value` in their environment."""
    wanted = f"{name}={value}".encode()
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        identity = identify(int(folder.name))
        if wanted in environment and identity is not None:
            found.append(identity)
    return found


@contextlib.contextmanager
def _opened(identity: Identity) -> Iterator[int | None]:
    """Give a pidfd of the very process, or None when it ended."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Looked at after the opening: from here on the descriptor cannot change its process.
        yield handle if is_running(identity) else None
    finally:
        os.close(handle)


def _reap(pid: int) -> None:
    """Take the exit status of a child of ours; a stranger's child is init's to reap."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
