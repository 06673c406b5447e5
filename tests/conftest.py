"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

from tests.support import environment

environment.scrub()

pytest_plugins = ["tests.support.control_plane", "tests.support.cluster"]
