"""A converged cluster is left in peace."""

import time

from tests.support.audit import WRITES, Trail
from tests.support.cluster import OPERATOR_ACCOUNT, Place

WINDOW_S = 60.0


def test_nothing_is_written_while_nothing_changes(place: Place, another_place: Place) -> None:
    """For a minute after convergence the operator writes nothing but the renewals of its Lease."""
    place.apply()
    another_place.apply({"image": {"repository": "localhost/no-such-image", "tag": "none"}})
    place.wait_ready()
    another_place.wait_reason("Ready", "ImageNotAvailable")
    time.sleep(10)  # the pull that fails changes from ErrImagePull to a back-off once

    trail = Trail(place.installed.audit_log, OPERATOR_ACCOUNT).now()
    time.sleep(WINDOW_S)

    renewals = [
        entry["requestURI"]
        for entry in trail.entries()
        if entry["verb"] in WRITES and entry["objectRef"]["resource"] == "leases"
    ]
    assert trail.writes() == []
    assert {uri.rpartition("/")[2].partition("?")[0] for uri in renewals} == {"soma-operator"}
    assert len(renewals) <= WINDOW_S
