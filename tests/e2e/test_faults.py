"""What is killed, edited or deleted comes back, and nothing acknowledged is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from soma_dev.kubernetes import SYSTEM_NAMESPACE
from somamemory import MemoryClient, SomaMemoryError
from tests.support.cluster import Place, eventually


class Writer(threading.Thread):
    """Stores one memory after the other, and notes each that was acknowledged."""

    def __init__(self, client: MemoryClient) -> None:
        super().__init__()
        self._client = client
        self._stop_wanted = threading.Event()
        self.acknowledged: dict[str, dict[str, int]] = {}

    def run(self) -> None:
        """Store until told to stop, or until the server is gone."""
        for number in iter(lambda: len(self.acknowledged), None):
            payload = {"number": number}
            try:
                self._client.store(payload, id=f"memory-{number}")
            except SomaMemoryError:
                return
            self.acknowledged[f"memory-{number}"] = payload
            if self._stop_wanted.is_set():
                return

    def stop(self) -> None:
        """End it, and wait for its end."""
        self._stop_wanted.set()
        self.join()


@contextmanager
def writing(address: str) -> Iterator[Writer]:
    """Write all the time as long as the context lasts."""
    with MemoryClient(address, timeout_s=2) as client:
        writer = Writer(client)
        writer.start()
        try:
            eventually(lambda: len(writer.acknowledged) >= 20)
            yield writer
        finally:
            writer.stop()


def test_a_killed_pod_loses_nothing_that_was_acknowledged(place: Place) -> None:
    """The pod is killed while a client stores: the next pod has every acknowledged memory as it was."""
    place.apply()
    place.wait_ready()
    old = place.pods()[0]["metadata"]["uid"]

    with place.forwarded() as address, writing(address) as writer:
        place.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
    eventually(lambda: [pod["metadata"]["uid"] for pod in place.pods()] not in ([], [old]))
    place.kubectl("rollout", "status", "deployment/mem", "--timeout=120s")
    place.wait_ready()
    kept = place.payloads()

    assert kept.items() >= writer.acknowledged.items()
    # A store that was cut off may have been carried out; never more than that one.
    assert len(kept) - len(writer.acknowledged) <= 1


def test_an_operator_killed_in_a_roll_out_goes_on_with_it(place: Place) -> None:
    """The operator dies right after a change: its successor brings the roll-out to its end."""
    place.apply()
    place.wait_ready()
    operators = place.installed.operator_pods()

    place.apply({"storage": {"embedded": {"size": "1Gi"}}, "monitoring": {"logLevel": "Debug"}})
    place.kubernetes.kubectl(
        "delete", "pod", *operators, "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force"
    )
    memory = place.wait_ready()

    assert memory["status"]["observedGeneration"] == memory["metadata"]["generation"] == 2
    settings = place.get("configmap", "mem-config")["data"]
    assert settings["SOMA_LOG_LEVEL"] == "DEBUG"
    eventually(lambda: len(place.pods()) == 1)
    assert (
        place.kubectl("exec", "deploy/mem", "--", "printenv", "SOMA_LOG_LEVEL").strip() == "DEBUG"
    )


@pytest.mark.parametrize(
    ("kind", "patch", "path"),
    [
        ("deployment", '{"spec":{"replicas":0}}', "{.spec.replicas}"),
        ("service", '{"spec":{"selector":{"stray":"label"}}}', "{.spec.selector}"),
    ],
    ids=["Deployment", "Service"],
)
def test_a_hand_edit_is_repaired(place: Place, kind: str, patch: str, path: str) -> None:
    """What somebody changes by hand goes back to the wish."""
    place.apply()
    place.wait_ready()
    before = place.kubectl("get", kind, "mem", "-o", f"jsonpath={path}")

    place.kubectl("patch", kind, "mem", "--type=merge", "-p", patch)

    eventually(lambda: place.kubectl("get", kind, "mem", "-o", f"jsonpath={path}") == before)
    place.kubectl("rollout", "status", "deployment/mem", "--timeout=60s")
    place.wait_ready()


def test_deletion_leaves_the_claim_only_and_a_new_resource_finds_the_memories(place: Place) -> None:
    """Deleting the SomaMemory removes all but its claim; one of the same name takes the memories up."""
    place.apply()
    place.wait_ready()
    with place.forwarded() as address, MemoryClient(address) as client:
        client.store({"text": "kept"}, id="kept")

    place.kubectl("delete", "somamemory", "mem")
    eventually(
        lambda: place.leftovers() == ["persistentvolumeclaim/mem-data"],
        or_say=lambda: str(place.leftovers()),
    )
    place.apply()
    place.wait_ready()

    assert place.payloads() == {"kept": {"text": "kept"}}


def test_an_image_that_does_not_exist_is_told_and_holds_nobody_up(
    place: Place, another_place: Place
) -> None:
    """A missing image becomes a condition that names it; another SomaMemory gets ready meanwhile."""
    broken = {"image": {"repository": "localhost/no-such-image", "tag": "none"}}
    place.apply({**broken, "storage": {"embedded": {"size": "1Gi"}}})

    condition = place.wait_reason("Ready", "ImageNotAvailable")
    another_place.apply()
    another_place.wait_ready()

    assert condition["status"] == "False"
    assert "localhost/no-such-image:none" in condition["message"]


def test_a_missing_storage_class_is_told(place: Place) -> None:
    """A storage class that does not exist becomes a condition that names it."""
    place.apply({"storage": {"embedded": {"size": "1Gi", "storageClassName": "no-such-class"}}})

    condition = place.wait_reason("Ready", "StorageClassNotFound")

    assert "no-such-class" in condition["message"]
