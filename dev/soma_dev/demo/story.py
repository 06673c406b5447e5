"""What `make demo` does, step by step, and `make demo-down`."""

import contextlib
import socket

from soma_dev import tools
from soma_dev.cluster import provider
from soma_dev.cluster.existing import Existing
from soma_dev.cluster.provider import Cluster
from soma_dev.demo.soma import Soma
from soma_dev.demo.steps import Steps
from soma_dev.images import store
from soma_dev.images.catalog import MEMORY_SERVER, OPERATOR
from soma_dev.kubernetes import CRD, SYSTEM_NAMESPACE, Kubernetes
from soma_dev.paths import ROOT, cache
from soma_dev.problem import Problem
from soma_dev.waiting import wait_for

CLUSTER = "demo"
NAMESPACE = "soma-demo"
SAMPLE = ROOT / "examples" / "somamemory.yaml"
NAME = "memory"
GRPC_PORT = 50053
PODS = f"app.kubernetes.io/instance={NAME}"

PROJECT, EVENTS = "project", "cluster"
"""Namespaces inside the memory server."""

QUESTIONS = (
    (PROJECT, "what survives when the machine loses power?"),
    (PROJECT, "why is there no package called operator?"),
    (EVENTS, "to which node was the pod of the memory assigned?"),
)


def up() -> None:
    """Show the main job from an empty machine; run again it does only what is left to do."""
    steps = Steps(8)
    cluster = provider.choose(CLUSTER)
    kubernetes, server_image = _prepare(steps, cluster)
    _apply(steps, kubernetes, server_image)
    with _forwarding(kubernetes) as address:
        soma = Soma(address, steps)
        with steps.step("Import the project's documentation and this cluster's events"):
            _import(soma, kubernetes)
        with steps.step("Ask three questions"):
            for namespace, question in QUESTIONS:
                soma.show("recall", question, "-n", namespace, "-k", "3")
        before = {namespace: soma.export(namespace) for namespace in (PROJECT, EVENTS)}
    with steps.step("Kill the pod"):
        _replace_pod(steps, kubernetes)
    with (
        steps.step("Look for every acknowledged memory in the new pod"),
        _forwarding(kubernetes) as address,
    ):
        soma = Soma(address, steps)
        for namespace, memories in before.items():
            _compare(steps, namespace, memories, soma.export(namespace))
    steps.finish("The main job is done")
    _tell_next(steps, kubernetes)


def down() -> None:
    """Remove everything that `up` made."""
    cluster = provider.choose(CLUSTER)
    if isinstance(cluster, Existing):
        tools.ensure(tools.CLIENTS)
        _leave(Kubernetes(cluster.kubeconfig))
    found = cluster.down()
    print(f"{cluster.description}: {'removed' if found else 'nothing of ours is left'}")
    print(f"tools and images stay in {cache()} for the next time; remove it to get the room back")


def _prepare(steps: Steps, cluster: Cluster) -> tuple[Kubernetes, str]:
    """Return the cluster with the operator in it, and the image of its servers."""
    with steps.step("Get a cluster"):
        kubeconfig = cluster.up(steps.say)
        steps.say(f"{cluster.description} is ready; KUBECONFIG={kubeconfig}")
    with steps.step("Build both images from the Dockerfile and load them"):
        built = store.ensure(steps.say)
        names = cluster.load(list(built.values()), steps.say)
        operator, server = names[built[OPERATOR]], names[built[MEMORY_SERVER]]
        steps.say(f"{operator}\n{server}")
    kubernetes = Kubernetes(kubeconfig)
    with steps.step("Install the operator with Helm"):
        kubernetes.install(operator, server)
        steps.show(kubernetes.kubectl("get", "pods", "-n", SYSTEM_NAMESPACE))
    return kubernetes, server


def _apply(steps: Steps, kubernetes: Kubernetes, server_image: str) -> None:
    with steps.step("Apply a SomaMemory and wait until it is ready"):
        kubernetes.make_namespace(NAMESPACE)
        steps.command(f"kubectl apply -n {NAMESPACE} -f {SAMPLE.relative_to(ROOT)}")
        kubernetes.kubectl("apply", "-n", NAMESPACE, "-f", SAMPLE)
        kubernetes.wait_ready(NAMESPACE, NAME, image=server_image, say=steps.say)
        steps.show(kubernetes.kubectl("get", "somamemories,pods,pvc,services", "-n", NAMESPACE))


def _forwarding(kubernetes: Kubernetes) -> contextlib.AbstractContextManager[str]:
    """Lead the port that clients take by default to the server, or any other one when that is taken."""
    local = GRPC_PORT if _is_free(GRPC_PORT) else 0
    return kubernetes.forwarded(NAMESPACE, NAME, GRPC_PORT, local=local)


def _import(soma: Soma, kubernetes: Kubernetes) -> None:
    soma.show("import", "README.md", "docs", "-n", PROJECT, "--format", "markdown")
    events = kubernetes.kubectl("get", "events", "-A", "-o", "json")
    words = ("import", "-", "-n", EVENTS, "--format", "kubernetes-events")
    soma.show(*words, input_text=events, source="kubectl get events -A -o json")


def _replace_pod(steps: Steps, kubernetes: Kubernetes) -> None:
    old = _pods(kubernetes)
    steps.command(f"kubectl delete pod -n {NAMESPACE} -l {PODS} --grace-period=1")
    kubernetes.kubectl("delete", "pod", "-n", NAMESPACE, "-l", PODS, "--grace-period=1")
    wait_for(
        lambda: _pods(kubernetes).isdisjoint(old),
        "the pod was not replaced",
        timeout_s=60,
        mend=f"look at it: kubectl describe pods -n {NAMESPACE}",
    )
    kubernetes.kubectl("rollout", "status", f"deployment/{NAME}", "-n", NAMESPACE, "--timeout=120s")
    kubernetes.wait_ready(NAMESPACE, NAME, say=steps.say)
    steps.show(kubernetes.kubectl("get", "pods", "-n", NAMESPACE))


def _pods(kubernetes: Kubernetes) -> set[str]:
    pods = kubernetes.get("pods", "-n", NAMESPACE, "-l", PODS)["items"]
    return {pod["metadata"]["uid"] for pod in pods}


def _compare(steps: Steps, namespace: str, before: dict[str, str], after: dict[str, str]) -> None:
    """Check that the same memories are there, to the last byte."""
    lost = sorted(before.keys() - after.keys())
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    if lost or changed:
        raise Problem(
            f"namespace {namespace}: lost {lost[:5]}, changed {changed[:5]}",
            mend="keep the volume and report this: it must never happen",
        )
    steps.show(
        f"      {namespace}: {len(before)} memories before, the same {len(after)} after, to the byte"
    )


def _tell_next(steps: Steps, kubernetes: Kubernetes) -> None:
    steps.show(f"""
Try next, from this folder:
  export KUBECONFIG={kubernetes.kubeconfig} PATH={cache() / "bin"}:$PATH
  kubectl get somamemories -A
  kubectl port-forward -n {NAMESPACE} service/{NAME} {GRPC_PORT} &
  source .venv/bin/activate
  soma recall "how is drift repaired?" -n {PROJECT} -k 5
  soma store "Ana prefers green tea" && soma recall "what does Ana drink?"
  kubectl edit somamemory {NAME} -n {NAMESPACE}      # change something and watch: kubectl get smem -w
  make demo-down                                   # removes all of it""")


def _leave(kubernetes: Kubernetes) -> None:
    """Take what we made out of a cluster that is not ours."""
    kubernetes.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    if kubernetes.find("crd", CRD) and kubernetes.get("somamemories", "-A")["items"]:
        print("others have a SomaMemory in this cluster: the operator and its CRD stay")
        return
    kubernetes.uninstall()
    kubernetes.kubectl("delete", "crd", CRD, "--ignore-not-found")
    kubernetes.kubectl("delete", "namespace", SYSTEM_NAMESPACE, "--ignore-not-found", "--wait")


def _is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
