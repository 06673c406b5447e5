"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

import os

pytest_plugins = ["tests.support.control_plane"]

for _name in [name for name in os.environ if name.startswith("SOMA_") or name == "KUBECONFIG"]:
    if _name != "SOMA_CLUSTER_CACHE":  # where the built tools are is a fact of the machine
        del os.environ[_name]
