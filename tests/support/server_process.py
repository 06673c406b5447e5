"""A memory server as a process of its own: started on free ports, waited for, stopped or killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from memory_server.transport.server import address_of
from soma_dev.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0


class ServerStartError(RuntimeError):
    """The process ended, or did not answer in time; holds the end of its log."""


class ServerProcess:
    """`python -m memory_server`, or another module with the same settings, over one data folder.

    The ports are chosen once and kept over restarts, so that clients find the server again. Use it
    as a context manager, or call `start` and `stop`; no call leaves a process behind when it raises.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        module: str = "memory_server",
        environment: Mapping[str, str] | None = None,
        host: str = HOST,
        grpc_port: int | None = None,
        **settings: object,
    ) -> None:
        self.data_dir = data_dir
        self._module = module
        self._host = host
        self.grpc_port = grpc_port or free_port()
        self.http_port = free_port()
        self.log_path = data_dir.with_name(f"{data_dir.name}.log")
        self._settings = settings
        self._environment_more = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the gRPC services listen."""
        return address_of(self._host, self.grpc_port)

    @property
    def http_address(self) -> str:
        """Where the health and metrics pages listen."""
        return address_of(self._host, self.http_port)

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start the process and wait until it says that it serves.

        Raises:
            ServerStartError: It ended, or did not serve within `START_TIMEOUT_S`.
        """
        assert self._process is None, "the server runs already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_serving()
        except BaseException:
            self.kill()
            raise
        return self

    def run(self, *arguments: str) -> int:
        """Run the program with a command instead of serving, wait for its end, and return its exit code."""
        command = [sys.executable, "-m", self._module, *arguments]
        with self.log_path.open("ab") as log:
            return subprocess.run(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=log, check=False
            ).returncode

    def stop(self) -> int:
        """Ask the process to end (SIGTERM), wait, and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End the process at once (SIGKILL); what it did not write is lost."""
        return self._end(signal.SIGKILL)

    def ended(self) -> int:
        """Wait for a process that ends by itself, and return its exit code; one that does not is killed."""
        assert self._process is not None
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        return code

    def log(self) -> str:
        """Return what the process wrote, over all its starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()

    def rss_kib(self) -> int:
        """Return how much memory the process has now, KiB."""
        return self._memory_kib("VmRSS:")

    def peak_rss_kib(self) -> int:
        """Return how much memory the process had at most since its start, KiB."""
        return self._memory_kib("VmHWM:")

    def _memory_kib(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1])

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SOMA_")}
        given = {f"SOMA_{name.upper()}": str(value) for name, value in self._settings.items()}
        given |= self._environment_more
        own = {
            "SOMA_DATA_DIR": str(self.data_dir),
            "SOMA_GRPC_HOST": self._host,
            "SOMA_GRPC_PORT": str(self.grpc_port),
            "SOMA_HTTP_HOST": self._host,
            "SOMA_HTTP_PORT": str(self.http_port),
        }
        return kept | own | given

    def _wait_until_serving(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise ServerStartError(self._failure(f"ended with {self._process.returncode}"))
            if self._port_is_open() and self._serves():
                return
            time.sleep(0.02)
        raise ServerStartError(self._failure(f"did not serve within {START_TIMEOUT_S:.0f} s"))

    def _port_is_open(self) -> bool:
        # A plain connect costs nothing; a gRPC channel that failed once waits a second before the next try.
        try:
            socket.create_connection((self._host.strip("[]"), self.grpc_port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _serves(self) -> bool:
        if "tls_cert_file" in self._settings:
            return self._is_ready_by_http()  # the HTTP port is always plain
        with grpc.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # its stubs hide the methods
            try:
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=2.0)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _is_ready_by_http(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.http_address}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "the server does not run"
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _failure(self, what: str) -> str:
        return f"the memory server {what}; its log ends with:\n{self.log()[-4000:]}"
