"""Resources that come, change and go: the memory of the operator must not grow with them."""

from pathlib import Path
from typing import Any

from soma_dev.control_plane import control_plane
from tests.support.churn import churn
from tests.support.operator_rooms import (
    a_room,
    an_operator,
    install,
    kubeconfig_of_the_operator,
)


def measure_churn(folder: Path, seconds: float) -> dict[str, Any]:
    """Churn for a while, and compare the memory of the first half with that of the second."""
    with control_plane(folder) as plane:
        api = install(plane)
        kubeconfig = kubeconfig_of_the_operator(api, folder / "access")
        with an_operator(kubeconfig, folder, lease_duration_s=120) as operator:
            operator.wait_leading()
            seen = churn(a_room(api), operator, seconds, at_once=10)
    first, second = seen.halves()
    return {
        "seconds": seconds,
        "resources_made_and_deleted": seen.cycles,
        "resident_mib": {"start": seen.resident_mib[0], "first_half": first, "second_half": second},
    }
