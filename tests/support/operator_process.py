"""The operator as a process of its own, with the rights that the chart gives it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Self
from urllib.error import HTTPError, URLError

from soma_dev.ports import free_port
from soma_operator.core.kinds import Manifest
from tests.support.kube_api import eventually
from tests.support.server_process import HOST

ROOT = Path(__file__).resolve().parents[2]

STOP_TIMEOUT_S = 20.0


class OperatorProcess:
    """`python -m soma_operator` against one API server.

    Settings are those of OperatorSettings in lower case. Use it as a context manager; no process is left behind.
    """

    def __init__(self, kubeconfig: Path, log: Path, **settings: object) -> None:
        self.log_path = log
        self.http_port = free_port()
        self._settings: dict[str, object] = {
            "kubeconfig": kubeconfig,
            "http_host": HOST,
            "http_port": self.http_port,
            "namespace": "default",
            "identity": log.stem,
            "min_interval_s": 0.2,
            # Long: a machine that is busy for seconds must not end a leader that no test wants ended.
            "lease_duration_s": 30,
            "lease_renew_s": 0.3,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; `wait_ready` waits for it."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONSAFEPATH": "1",
            **{
                f"SOMA_OPERATOR_{name.upper()}": str(value)
                for name, value in self._settings.items()
            },
        }
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "soma_operator"], env=environment, cwd=ROOT, stderr=log
            )

    def wait_ready(self) -> Self:
        """Wait until the operator acts, or waits for the Lease."""
        eventually(lambda: self.page("/readyz")[0] == 200 or None, or_say=self.log_path.read_text)
        return self

    def wait_leading(self) -> Self:
        """Wait until the operator acts."""
        eventually(
            lambda: "soma_operator_is_leader 1.0" in self.page("/metrics")[1] or None,
            or_say=self.log_path.read_text,
        )
        return self.wait_ready()

    def page(self, path: str) -> tuple[int, str]:
        """Return code and text of a page; code 0 when nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.http_port}{path}", timeout=5
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except URLError:
            return 0, ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        assert self._process is not None
        return self._process.wait(STOP_TIMEOUT_S)

    def stop(self) -> int:
        """End it in order, and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)

    def log(self, message: str) -> list[dict[str, object]]:
        """Return the log lines with this message."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [line for line in lines if line["message"] == message]


def plan(
    manifest: Manifest, *options: str, kubeconfig: Path | None = None
) -> tuple[int, list[str]]:
    """Run `soma-operator plan`; return its exit code and lines."""
    command = ["plan", "-f", "-", *options]
    return run_command(*command, kubeconfig=kubeconfig, text=json.dumps(manifest))


def run_command(
    *arguments: str, kubeconfig: Path | None = None, text: str = ""
) -> tuple[int, list[str]]:
    """Run a command of `soma-operator`; return its exit code and lines."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    if kubeconfig is not None:
        environment["SOMA_OPERATOR_KUBECONFIG"] = str(kubeconfig)
    ended = subprocess.run(
        [sys.executable, "-m", "soma_operator", *arguments],
        input=text,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, (ended.stdout or ended.stderr).splitlines()
