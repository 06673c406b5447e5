"""The node's processes: their command lines and the files they read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soma_dev import api_server
from soma_dev.access import User
from soma_dev.cluster.native.layout import API_PORT, NODE_NAME, Addresses, Layout
from soma_dev.paths import cache

USERS: Mapping[str, User] = {
    "admin": User("admin", "system:masters"),
    "kubelet": User(f"system:node:{NODE_NAME}", "system:nodes"),
    "proxy": User("system:kube-proxy"),
    "scheduler": User("system:kube-scheduler"),
    "controllers": User("system:kube-controller-manager"),
    "dns": User("system:coredns"),
    "volumes": User("soma:volumes"),
}

ETCD = "http://127.0.0.1:2379"  # in the node's own namespace, so the port is always free
PAUSE_IMAGE = "localhost/soma-pause:1"


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the node."""

    name: str
    command: tuple[str, ...]


def etcd(node: Layout) -> Service:
    """Return the store of the API server. No fsync: a node that died is made anew."""
    return Service("etcd", (
        "etcd", f"--data-dir={node.state / 'etcd'}", f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}", "--unsafe-no-fsync", "--log-level=warn",
    ))  # fmt: skip


def apiserver(node: Layout, addresses: Addresses) -> Service:
    """Return the API server, with an audit log of all writes."""
    shared = api_server.flags(
        etcd=ETCD,
        certificates=node.pki,
        serving="apiserver",
        audit_policy=api_server.WRITES_ONLY,
        audit_log=node.audit_log,
    )
    return Service("apiserver", (
        "kube-apiserver", *shared, f"--secure-port={API_PORT}", f"--advertise-address={addresses.node}",
        "--authorization-mode=Node,RBAC", f"--service-cluster-ip-range={addresses.services}",
        "--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={node.pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={node.pki / 'kubelet-client.key'}",
    ))  # fmt: skip


def controllers(node: Layout) -> Service:
    """Return the controllers."""
    return Service("controllers", (
        "kube-controller-manager", *_credentials(node, "controllers"), "--use-service-account-credentials",
        f"--service-account-private-key-file={node.pki / 'sa.key'}", f"--root-ca-file={node.pki / 'ca.crt'}",
    ))  # fmt: skip


def scheduler(node: Layout) -> Service:
    """Return the scheduler."""
    return Service("scheduler", ("kube-scheduler", *_credentials(node, "scheduler")))


def containerd(node: Layout, addresses: Addresses) -> Service:
    """Return the container runtime."""
    networks = node.state / "cni"
    networks.mkdir(exist_ok=True)
    (networks / "10-soma.conflist").write_text(json.dumps({
        "cniVersion": "1.0.0",
        "name": "soma",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True,
                "ipam": {
                    "type": "host-local", "dataDir": str(node.state / "ipam"),
                    "ranges": [[{"subnet": str(addresses.pods)}]], "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}},
        ],
    }))  # fmt: skip
    settings = node.state / "containerd.toml"
    settings.write_text(_containerd_settings(node, networks))
    return Service("containerd", ("containerd", "--config", str(settings), "--log-level", "warn"))


def kubelet(node: Layout, addresses: Addresses) -> Service:
    """Return the kubelet."""
    settings = node.state / "kubelet.json"
    settings.write_text(json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "syncFrequency": "10s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "clusterDNS": [addresses.dns_service],
        "clusterDomain": "cluster.local",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
        # Images are loaded by us, not pulled: one that is collected is gone.
        "imageGCHighThresholdPercent": 100,
    }))  # fmt: skip
    return Service("kubelet", (
        "kubelet", f"--config={settings}", f"--kubeconfig={node.pki / 'kubelet.kubeconfig'}",
        f"--hostname-override={NODE_NAME}", f"--node-ip={addresses.node}",
        f"--root-dir={node.state / 'kubelet'}", f"--cert-dir={node.pki / 'kubelet'}",
    ))  # fmt: skip


def proxy(node: Layout, addresses: Addresses) -> Service:
    """Return what sends the addresses of Services to pods."""
    return Service("proxy", (
        "kube-proxy", f"--kubeconfig={node.pki / 'proxy.kubeconfig'}", "--proxy-mode=nftables",
        f"--cluster-cidr={addresses.pods}", f"--hostname-override={NODE_NAME}", "--conntrack-max-per-core=0",
    ))  # fmt: skip


def dns(node: Layout, addresses: Addresses) -> Service:
    """Return the name server, which runs on the node itself."""
    settings = node.state / "Corefile"
    settings.write_text(
        f".:53 {{\n  bind {addresses.node}\n  kubernetes cluster.local {{\n"
        f"    kubeconfig {node.pki / 'dns.kubeconfig'}\n  }}\n  errors\n}}\n"
    )
    return Service("dns", ("coredns", "-conf", str(settings)))


def _credentials(node: Layout, user: str) -> tuple[str, ...]:
    kubeconfig = node.pki / f"{user}.kubeconfig"
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
    )


def _containerd_settings(node: Layout, networks: Path) -> str:
    return f"""version = 3
root = "{node.state / "containerd"}"
state = "{node.state / "run"}"
[grpc]
  address = "{node.containerd_socket}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE_IMAGE}"
[plugins.'io.containerd.cri.v1.runtime']
  # In some virtual machines root may not lower a process's OOM score.
  restrict_oom_score_adj = true
  # Below our own folder, where it is known whose they are.
  netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{cache() / "bin"}"]
  conf_dir = "{networks}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""
