"""What an operator promises beyond keeping a pod alive, on real pods: a way back, sleep, growth, certificates."""

from pathlib import Path
from typing import Any

from soma_common.tokens import new_token, token_hash
from soma_dev import pki
from somamemory import MemoryClient
from tests.support.cluster import Place, eventually

SMALL: dict[str, Any] = {"storage": {"embedded": {"size": "1Gi"}}}


def store(place: Place, name: str) -> None:
    with place.forwarded() as address, MemoryClient(address) as client:
        client.store({"text": name}, id=name)


def test_a_release_that_cannot_start_is_taken_back(place: Place) -> None:
    """An image that does not exist gives way to the last good one, with all memories; the spec stays as applied."""
    place.apply({**SMALL, "updateStrategy": {"progressDeadlineSeconds": 10}})
    good = place.wait_ready()
    store(place, "kept")

    broken = {"repository": "localhost/no-such-image", "tag": "none"}
    place.apply({**SMALL, "image": broken, "updateStrategy": {"progressDeadlineSeconds": 10}})
    condition = place.wait_reason("Ready", "RolledBack")
    place.wait_reason("Available", "Serving")

    memory = place.get("somamemory", "mem")
    assert "localhost/no-such-image:none" in condition["message"]
    assert memory["spec"]["image"] == broken
    assert memory["status"]["currentRevision"] == good["status"]["currentRevision"]
    assert place.payloads() == {"kept": {"text": "kept"}}


def test_a_change_waits_for_a_drain(place: Place) -> None:
    """OnDelete: a pod that is deleted, as by a drain, comes back with the change that waited, and all memories."""
    wish = {**SMALL, "updateStrategy": {"type": "OnDelete"}}
    place.apply(wish)
    place.wait_ready()
    store(place, "kept")
    [pod] = place.pods()

    place.apply({**wish, "monitoring": {"logLevel": "Debug"}})
    waiting = place.wait_reason("Ready", "UpdatePending")
    assert [one["metadata"]["uid"] for one in place.pods()] == [pod["metadata"]["uid"]]
    place.kubectl("delete", "pod", pod["metadata"]["name"])
    memory = place.wait_ready()

    assert "updateStrategy" in waiting["message"]
    assert memory["status"]["currentRevision"] == memory["status"]["updateRevision"]
    assert place.get("configmap", "mem-config")["data"]["SOMA_LOG_LEVEL"] == "DEBUG"
    assert place.payloads() == {"kept": {"text": "kept"}}


def test_a_memory_sleeps_grows_and_wakes(place: Place) -> None:
    """Asleep no pod is left; the volume grows meanwhile, or the status says why not; awake all memories are there."""
    place.apply(SMALL)
    place.wait_ready()
    store(place, "kept")
    guards = {one["metadata"]["name"] for one in place.get("networkpolicies")["items"]}

    place.kubectl("annotate", "somamemory", "mem", "memory.soma.sh/hibernated=true")
    place.wait_reason("Ready", "Hibernated")
    eventually(lambda: place.pods() == [])
    place.apply({"storage": {"embedded": {"size": "2Gi"}}})
    eventually(lambda: grown(place) or refused(place))
    place.kubectl("annotate", "somamemory", "mem", "memory.soma.sh/hibernated-")
    place.wait_reason("Available", "Serving")

    assert guards == {"mem"}
    assert place.payloads() == {"kept": {"text": "kept"}}


def grown(place: Place) -> bool:
    claim = place.get("pvc", "mem-data")
    return bool(claim["spec"]["resources"]["requests"]["storage"] == "2Gi")


def refused(place: Place) -> bool:
    """Return whether the cluster's storage class cannot expand volumes, and the status says so."""
    ready = place.condition("Ready")
    return ready is not None and ready["reason"] == "ResizeRefused"


def test_certificates_and_tokens_come_from_secrets(place: Place, tmp_path: Path) -> None:
    """A roll-out waits for the Secrets; then only who has a token of the file is answered, over TLS."""
    authority = pki.make_authority(tmp_path, "test")
    pair = pki.sign(authority, tmp_path, "server", subject="/CN=mem", names=["IP:127.0.0.1"])
    token = new_token()
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        "[[tokens]]\n"
        'name = "agent"\ntenant = "team"\nscopes = ["read", "write"]\n'
        f'sha256 = "{token_hash(token)}"\n'
    )
    tls = {"mode": "Secret", "secretName": "cert"}
    auth = {"type": "Tokens", "tokensSecretName": "callers"}

    place.apply({**SMALL, "tls": tls, "auth": auth})
    place.wait_reason("SecretsReady", "SecretNotFound")
    place.kubectl("create", "secret", "generic", "callers", f"--from-file={tokens}")
    place.kubectl(
        "create", "secret", "tls", "cert", f"--cert={pair.certificate}", f"--key={pair.key}"
    )
    place.wait_ready()

    with (
        place.forwarded() as address,
        MemoryClient(address, token=token, ca_file=authority.certificate) as client,
    ):
        client.store({"text": "secret"}, id="one")
        assert [one.payload for one in client.list_memories()] == [{"text": "secret"}]
