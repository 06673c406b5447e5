"""Which cluster is used, and that two nodes never get into each other's way."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from soma_dev.cluster.existing import Existing
from soma_dev.cluster.native.layout import SLOTS, Addresses, free_addresses, layout
from soma_dev.cluster.provider import choose, chosen_kind
from soma_dev.kubernetes import conditions_of
from soma_dev.problem import Problem


@pytest.mark.parametrize(
    ("environment", "docker", "kind"),
    [
        ({}, False, "native"),
        ({}, True, "kind"),
        ({"SOMA_CLUSTER": "native"}, True, "native"),
        ({"SOMA_CLUSTER": "kind"}, False, "kind"),
        ({"SOMA_CLUSTER": "existing"}, True, "existing"),
        ({"KUBECONFIG": "/somebody/elses"}, False, "native"),
    ],
)
def test_the_kind_of_cluster(environment: dict[str, str], docker: bool, kind: str) -> None:
    """What is asked for, else kind where Docker answers, else a native node; a KUBECONFIG alone is no wish."""
    assert chosen_kind(environment, docker=lambda: docker) == kind


def test_an_unknown_kind_is_refused() -> None:
    """A slip of the pen does not end up in another cluster."""
    with pytest.raises(Problem, match="minikube"):
        chosen_kind({"SOMA_CLUSTER": "minikube"}, docker=lambda: True)


def test_an_existing_cluster_is_the_one_of_the_kubeconfig() -> None:
    """Asked for, it is taken from KUBECONFIG; without one there is none."""
    chosen = choose("demo", environment={"SOMA_CLUSTER": "existing", "KUBECONFIG": "/my/config"})

    assert isinstance(chosen, Existing)
    assert chosen.kubeconfig == Path("/my/config")
    with pytest.raises(Problem, match="KUBECONFIG"):
        choose("demo", environment={"SOMA_CLUSTER": "existing"})


def test_names_of_nodes_are_told_apart() -> None:
    """Other names and other checkouts share nothing that is global to the machine."""
    nodes = [
        layout(name, checkout=Path(checkout))
        for name in ("demo", "test")
        for checkout in ["/a", "/b"]
    ]

    for part in ("state", "network_namespace", "cgroup", "host_interface", "node_interface"):
        assert len({getattr(node, part) for node in nodes}) == len(nodes)


def test_names_fit_the_kernel() -> None:
    """Interfaces have at most 15 characters, sockets at most 107, whatever the checkout is called."""
    node = layout("twelveletter", checkout=Path("/" + "long/" * 60))

    assert len(node.host_interface) <= 15
    assert len(str(node.containerd_socket)) <= 80  # the kubelet appends to its folder


@pytest.mark.parametrize("name", ["", "Demo", "../up", "a-b", "thirteenchars"])
def test_a_name_that_cannot_be_a_name_is_refused(name: str) -> None:
    """Names become parts of paths and interfaces: nothing else gets in."""
    with pytest.raises(Problem):
        layout(name)


def test_addresses_are_the_same_as_long_as_they_are_free() -> None:
    """A node that is started again is found where it was."""
    assert free_addresses("demo-0000ff", []) == free_addresses("demo-0000ff", [])


def test_addresses_avoid_what_the_host_routes() -> None:
    """Each of the three networks counts."""
    first = free_addresses("demo-000000", [])

    for network in first.all:
        again = free_addresses("demo-000000", [network])
        assert not any(ours.overlaps(network) for ours in again.all)


def test_no_two_slots_overlap() -> None:
    """As many nodes as there are slots run side by side."""
    networks = [network for slot in range(SLOTS) for network in Addresses(slot).all]

    for place, one in enumerate(networks):
        assert not any(one.overlaps(other) for other in networks[place + 1 :])


def test_a_host_without_room_is_told() -> None:
    """When everything is routed already, nothing is taken by force."""
    with pytest.raises(Problem, match="every network"):
        free_addresses("demo-000000", [IPv4Network("10.0.0.0/8")])


def test_conditions_of_an_earlier_wish_do_not_count() -> None:
    """A status that speaks of another generation says nothing about this one."""
    status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}

    assert "Ready" in conditions_of({"metadata": {"generation": 1}, "status": status})
    assert conditions_of({"metadata": {"generation": 2}, "status": status}) == {}
    assert conditions_of({"metadata": {"generation": 1}}) == {}
