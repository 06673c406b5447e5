"""The user's story: apply, wait, store, recall."""

from somamemory import MemoryClient
from tests.support.cluster import Place


def test_a_memory_is_applied_and_used(place: Place) -> None:
    """Applying a SomaMemory gives a server that stores and recalls over gRPC."""
    place.apply()

    memory = place.wait_ready()
    with place.forwarded() as address, MemoryClient(address) as client:
        receipt = client.store({"text": "Ana prefers green tea"}, id="ana")
        client.store({"text": "the build takes nine minutes"}, id="build")
        found = client.recall("what does Ana drink?", top_k=1)

    assert memory["status"]["endpoints"]["grpc"] == f"mem.{place.namespace}.svc:50053"
    assert receipt.durability == "fsynced"
    assert [hit.memory.payload for hit in found] == [{"text": "Ana prefers green tea"}]


def test_kubectl_shows_the_state_at_a_glance(place: Place) -> None:
    """`kubectl get somamemories` tells readiness, reason, replicas and version in columns."""
    place.apply()
    place.wait_ready()

    heads, row = place.kubectl("get", "smem").splitlines()

    shown = dict(zip(heads.split(), row.split(), strict=True))
    version = place.installed.server_image.rpartition(":")[2]
    assert shown.items() >= {
        "NAME": "mem", "READY": "True", "STATUS": "Ready", "REPLICAS": "1", "VERSION": version,
    }.items()  # fmt: skip


def test_pods_meet_the_restricted_standard(place: Place) -> None:
    """A namespace that enforces `restricted` admits the server's pod, which runs without root."""
    place.apply()
    place.wait_ready()

    user = place.kubectl(
        "exec", "deploy/mem", "--", "python", "-c", "import os; print(os.getuid())"
    )

    assert user.strip() == "10001"


WHO = """
import os, socket
print(os.getuid(), os.getgid(), os.stat("/data").st_gid, socket.gethostbyname("embedder.test"))
"""


def test_what_a_user_gives_the_pods_is_there(place: Place) -> None:
    """Variables, files, identities and patches reach the server; a Secret that they name is waited for."""
    for command in (
        "create serviceaccount cloud",
        "create configmap authorities --from-literal=ca.crt=trusted",
    ):
        place.kubectl(*command.split())
    place.apply(
        {
            "podTemplate": {
                "serviceAccountName": "cloud",
                "securityContext": {"runAsUser": 20001, "runAsGroup": 20002, "fsGroup": 20003},
                "patches": [
                    {
                        "op": "add",
                        "path": "/spec/hostAliases",
                        "value": [{"ip": "10.1.2.3", "hostnames": ["embedder.test"]}],
                    }
                ],
                "env": [
                    {"name": "NO_PROXY", "value": "cluster.local"},
                    {
                        "name": "PASSWORD",
                        "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}},
                    },
                ],
                "volumes": [
                    {"name": "ca", "mountPath": "/etc/authorities", "configMapName": "authorities"}
                ],
            }
        }
    )
    place.wait_reason("SecretsReady", "SecretNotFound")

    place.kubectl("create", "secret", "generic", "keys", "--from-literal=one=open")
    place.wait_ready()

    variables = place.kubectl("exec", "deploy/mem", "--", "printenv", "NO_PROXY", "PASSWORD")
    files = place.kubectl("exec", "deploy/mem", "--", "cat", "/etc/authorities/ca.crt")
    ids = place.kubectl("exec", "deploy/mem", "--", "python", "-c", WHO)
    [pod] = place.pods()
    with place.forwarded() as address, MemoryClient(address) as client:
        client.store({"text": "kept"}, id="kept")
    assert place.payloads() == {"kept": {"text": "kept"}}
    assert ids.split() == ["20001", "20002", "20003", "10.1.2.3"]
    assert variables.split() == ["cluster.local", "open"]
    assert files == "trusted"
    assert pod["spec"]["serviceAccountName"] == "cloud"


def test_a_wrong_wish_is_refused_in_words(place: Place) -> None:
    """An impossible combination is refused by the API server with a sentence that names the field."""
    refusal = place.refusal({"replicas": 2})

    assert "replicas must be 0 or 1" in refusal
