"""The environment that the tests were started in, taken away from them: a test is told what it needs."""

import os
from collections.abc import Mapping

GIVEN: Mapping[str, str] = dict(os.environ)
"""As it was. Only what gets a cluster looks here: which one to use is the caller's choice."""

KEPT = frozenset({"SOMA_CLUSTER_CACHE"})
"""Where the built tools are is a fact of the machine."""


def scrub() -> None:
    """Remove every setting of ours, and the way into the caller's cluster."""
    for name in GIVEN:
        if (name.startswith("SOMA_") or name == "KUBECONFIG") and name not in KEPT:
            os.environ.pop(name, None)
