"""Running other programs and telling well what went wrong."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from soma_dev.problem import Problem


def run(
    *command: str | Path,
    input_text: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
    mend: str = "read the message above",
) -> str:
    """Run a command and return what it wrote.

    Raises:
        Problem: The command failed, is missing, or took too long; carries the end of what it said.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=input_text,
            env=None if environment is None else dict(environment),
            timeout=timeout_s,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise Problem(f"{words[0]} is missing", mend="make doctor") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{shown(words)} took more than {timeout_s:.0f} s", mend=mend) from None
    if done.returncode:
        said = f"{done.stdout.strip()[-2000:]}\n{done.stderr.strip()[-2000:]}".strip()
        raise Problem(f"{shown(words)} failed: {said}", mend=mend)
    return done.stdout


def succeeds(*command: str | Path, timeout_s: float = 60) -> bool:
    """Tell whether a command ends well; what it says is dropped."""
    try:
        words = [str(word) for word in command]
        return (
            subprocess.run(
                words, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False
            ).returncode
            == 0
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def shown(words: Sequence[str]) -> str:
    """Return the first words of a command, for people."""
    return " ".join(words[:6]) + (" …" if len(words) > 6 else "")
