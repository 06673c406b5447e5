"""The `soma` command line, used by the demonstration as a person uses it."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from soma_dev.demo.steps import Steps
from soma_dev.paths import ROOT
from soma_dev.problem import Problem

PROGRAM = Path(sys.executable).with_name("soma")


@dataclass(frozen=True, slots=True)
class Soma:
    """`soma` against one server."""

    address: str
    steps: Steps

    def show(self, *arguments: str, input_text: str | None = None, source: str = "") -> None:
        """Run a command before the reader's eyes: with its words, its progress and its output.

        Args:
            arguments: Of `soma`.
            input_text: What it reads.
            source: The command that gave `input_text`.
        """
        words = shlex.join(["soma", *arguments])
        self.steps.command(f"{source} | {words}" if source else words)
        self._run(*arguments, captured=False, input_text=input_text)

    def export(self, namespace: str) -> dict[str, str]:
        """Return every memory of a namespace as one line of JSON, by id."""
        lines = self._run("export", "-n", namespace, captured=True).splitlines()
        return {json.loads(line)["id"]: line for line in lines}

    def _run(self, *arguments: str, captured: bool, input_text: str | None = None) -> str:
        environment = {**os.environ, "SOMA_ADDRESS": self.address}
        pipe = subprocess.PIPE if captured else None
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            cwd=ROOT,
            env=environment,
            input=input_text,
            stdout=pipe,
            stderr=pipe,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or "").strip()
            raise Problem(f"`soma {shlex.join(arguments)}` failed {said}", mend="read its message")
        return done.stdout or ""
