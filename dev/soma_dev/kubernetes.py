"""A cluster seen through kubectl and helm, as a user sees it."""

import contextlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soma_dev.paths import ROOT, tool
from soma_dev.problem import Problem
from soma_dev.shell import run, succeeds
from soma_dev.waiting import wait_for

CHART = ROOT / "charts" / "soma-stack"
RELEASE = "soma"
SYSTEM_NAMESPACE = "soma-system"
CRD = "somamemories.memory.soma.sh"


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """One cluster and the administrator's way in."""

    kubeconfig: Path

    def kubectl(
        self, *arguments: str | Path, input_text: str | None = None, timeout_s: float = 180
    ) -> str:
        """Run kubectl and return what it prints."""
        command = (tool("kubectl"), "--kubeconfig", self.kubeconfig, *arguments)
        return run(*command, input_text=input_text, timeout_s=timeout_s)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def find(self, *arguments: str) -> dict[str, Any] | None:
        """Return an object; None when it is not there."""
        found = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def make_namespace(self, name: str) -> None:
        """Make a namespace that admits only pods without privileges; nothing happens when it is there."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
        self.kubectl("apply", "--server-side", "-f", "-", input_text=json.dumps(namespace))

    def install(self, operator_image: str, server_image: str, *, timeout_s: int = 120) -> None:
        """Install the operator by its chart, or bring an installed one to these images.

        Raises:
            Problem: It did not become ready; tells what its pods say.
        """
        self.make_namespace(SYSTEM_NAMESPACE)
        self._forget_broken_installation()
        values = {"operator": _image_values(operator_image), "server": _image_values(server_image)}
        try:
            run(
                tool("helm"), "--kubeconfig", self.kubeconfig, "upgrade", "--install", RELEASE, CHART,
                "--namespace", SYSTEM_NAMESPACE, "--values", "-", "--wait", "--timeout", f"{timeout_s}s",
                input_text=json.dumps(values), timeout_s=timeout_s + 30,
            )  # fmt: skip
        except Problem as problem:
            said = self.pods_say(SYSTEM_NAMESPACE)
            raise Problem(f"{problem.what}\n{said}", mend="read what the pods say, above") from None

    def _forget_broken_installation(self) -> None:
        """Drop the records of an installation that was killed; Helm would wait for its end for ever."""
        pending = "owner=helm,status in (pending-install,pending-upgrade,pending-rollback)"
        chosen = ("-n", SYSTEM_NAMESPACE, "-l", f"{pending},name={RELEASE}")
        self.kubectl("delete", "secrets", *chosen, "--ignore-not-found")

    def uninstall(self) -> None:
        """Remove the operator; nothing happens when it is not there."""
        helm = (tool("helm"), "--kubeconfig", self.kubeconfig, "--namespace", SYSTEM_NAMESPACE)
        if succeeds(*helm, "status", RELEASE):
            run(*helm, "uninstall", RELEASE, "--wait")

    def wait_ready(
        self,
        namespace: str,
        name: str,
        *,
        image: str | None = None,
        timeout_s: float = 180,
        say: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Wait until a SomaMemory is ready as it is wished now, and return it.

        Args:
            namespace: Of the SomaMemory.
            name: Its name.
            image: What it must run; an update to it that waits for approval is approved.
            timeout_s: How long to wait.
            say: Told what the operator says meanwhile.

        Raises:
            Problem: It is stalled, or it took too long; tells what its conditions and pods say.
        """
        told = ""

        def look() -> dict[str, Any] | None:
            nonlocal told
            memory = self.get("somamemory", name, "-n", namespace)
            conditions = conditions_of(memory)
            if (stalled := conditions.get("Stalled")) and stalled["status"] == "True":
                raise Problem(f"{name} is stalled: {stalled['message']}", mend="see the message")
            ready = conditions.get("Ready", {"status": "Unknown", "message": "not seen yet"})
            if ready["status"] == "True" and image in (None, memory["status"].get("image")):
                return memory
            if ready["message"] != told:
                told = ready["message"]
                say(told)
            if image is not None and "UpdatePending" in conditions:
                self._approve_update(memory)
            return None

        try:
            return wait_for(
                look, f"SomaMemory {name} is not ready", timeout_s=timeout_s, mend="", pause_s=0.3
            )
        except Problem as problem:
            said = f"{problem.what}\n{told}\n{self.pods_say(namespace)}"
            raise Problem(said, mend="read what the conditions and the pods say, above") from None

    def _approve_update(self, memory: dict[str, Any]) -> None:
        metadata, revision = memory["metadata"], memory["status"]["updateRevision"]
        self.kubectl(
            "annotate", "somamemory", metadata["name"], "-n", metadata["namespace"], "--overwrite",
            f"memory.soma.sh/approved-revision={revision}",
        )  # fmt: skip

    def pods_say(self, namespace: str) -> str:
        """Return the state of pods, their last log lines and events, for a person who looks for a cause."""
        parts = [self.kubectl("get", "pods", "-n", namespace)]
        for pod in self.get("pods", "-n", namespace)["items"]:
            name = pod["metadata"]["name"]
            with contextlib.suppress(Problem):
                parts.append(self.kubectl("logs", "-n", namespace, name, "--tail=15"))
        parts.append(
            self.kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp")[-2000:]
        )
        return "\n".join(parts)

    @contextlib.contextmanager
    def forwarded(
        self, namespace: str, service: str, port: int, *, local: int = 0
    ) -> Iterator[str]:
        """Give an address on this machine that leads to a Service's port, as long as its pod lives.

        Args:
            namespace: Of the Service.
            service: Its name.
            port: The Service's port.
            local: The wished local port; 0 takes any.

        Raises:
            Problem: kubectl did not come up.
        """
        # Should we be killed, the kernel ends kubectl for us, where it can.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        command = [
            *guard, str(tool("kubectl")), "--kubeconfig", str(self.kubeconfig), "port-forward", "-n", namespace,
            f"service/{service}", f"{local or ''}:{port}",
        ]  # fmt: skip
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                yield _forwarded_address(process)
            finally:
                process.terminate()


def conditions_of(memory: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the conditions that speak of the present wish, by type."""
    status = memory.get("status", {})
    if status.get("observedGeneration") != memory["metadata"]["generation"]:
        return {}
    return {one["type"]: one for one in status.get("conditions", [])}


def _forwarded_address(process: subprocess.Popen[str]) -> str:
    """Return where kubectl listens, once it says so, and let the rest of its words run dry."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"Forwarding from (127\.0\.0\.1:\d+)", line):
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
            return found[1]
    raise Problem(f"kubectl port-forward ended: {''.join(said).strip()}", mend="see the message")


def _drain(process: subprocess.Popen[str]) -> None:
    """Read on, so that kubectl never waits for us."""
    with contextlib.suppress(ValueError):  # the pipe is closed from the other side
        for _ in process.stdout or ():
            pass


def _image_values(reference: str) -> dict[str, Any]:
    repository, _, tag = reference.rpartition(":")
    return {"image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}}
