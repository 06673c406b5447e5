"""The node's network: a namespace of its own, and a link by which the host reaches node, pods and Services.

The host's own firewall and forwarding stay as they are.
"""

import json
from ipaddress import AddressValueError, IPv4Network

from soma_dev.cluster.native.layout import Addresses, Layout
from soma_dev.shell import run, succeeds


def taken_networks() -> list[IPv4Network]:
    """Return the networks that the host routes, but for the default route."""
    routes = json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]")
    found = []
    for route in routes:
        try:
            network = IPv4Network(route["dst"], strict=False)
        except (AddressValueError, ValueError):
            continue  # "default" and the like
        if network.prefixlen:
            found.append(network)
    return found


def make(node: Layout, addresses: Addresses) -> None:
    """Make the namespace, the link and the routes."""
    namespace = node.network_namespace.name
    inside = ("ip", "-n", namespace)
    length = addresses.link.prefixlen
    run("ip", "netns", "add", namespace)
    ends = (node.host_interface, "type", "veth", "peer", "name", node.node_interface)
    run("ip", "link", "add", *ends, "netns", namespace)
    run("ip", "addr", "add", f"{addresses.host}/{length}", "dev", node.host_interface)
    run("ip", "link", "set", node.host_interface, "up")
    run(*inside, "addr", "add", f"{addresses.node}/{length}", "dev", node.node_interface)
    run(*inside, "link", "set", node.node_interface, "up")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "route", "add", "default", "via", addresses.host)
    run("nsenter", f"--net={node.network_namespace}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for network in (addresses.pods, addresses.services):
        run("ip", "route", "replace", str(network), "via", addresses.node)


def remove(node: Layout) -> None:
    """Remove the namespace and the link, and with them the routes; nothing happens when there are none."""
    if node.network_namespace.exists():
        succeeds("ip", "netns", "del", node.network_namespace.name)
    if succeeds("ip", "link", "show", node.host_interface):
        succeeds("ip", "link", "del", node.host_interface)
