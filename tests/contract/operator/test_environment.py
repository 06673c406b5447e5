"""The operator renders settings, the server reads them: both speak of the same names, values and defaults."""

import re

import pytest
from hypothesis import HealthCheck, given, settings

from soma_common.settings import SMFSettings, load_settings
from soma_operator.api.v1alpha1 import DEFAULT_DIMENSIONS, GRPC_PORT, HTTP_PORT, SPEC_RULES
from soma_operator.core.kinds import Manifest
from soma_operator.core.render.environment import (
    DRAIN_DELAY_S,
    DRAIN_S,
    GRACE_PERIOD_S,
    environment,
)
from soma_operator.core.resolve import resolve
from tests.support.somamemories import a_somamemory, observed_of, specs


def environment_of(spec: Manifest) -> dict[str, str]:
    return environment(resolve(observed_of(a_somamemory(spec=spec))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=specs())
def test_the_server_reads_every_rendered_setting(
    spec: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable of the ConfigMap is a setting of the server, and its value is taken."""
    rendered = environment_of(spec)
    with monkeypatch.context() as patch:
        for name, value in rendered.items():
            patch.setenv(name, value)
        read = load_settings(SMFSettings)

    for name, value in rendered.items():
        field = name.removeprefix("SOMA_").lower()
        assert field in SMFSettings.model_fields, name
        taken = getattr(read, field)
        assert str(taken) == value or float(taken) == float(value), name


def test_defaults_are_the_same_on_both_sides() -> None:
    """A SomaMemory that says nothing runs the server as it runs by default."""
    defaults = SMFSettings()
    rendered = environment_of({})

    assert (defaults.grpc_port, defaults.http_port) == (GRPC_PORT, HTTP_PORT)
    assert defaults.embedding_dimensions == DEFAULT_DIMENSIONS
    for name in ("SYNCHRONOUS", "EMBEDDER", "LOG_LEVEL", "STORE"):
        assert rendered[f"SOMA_{name}"] == getattr(defaults, name.lower())


def test_the_default_in_the_rule_is_that_of_the_server() -> None:
    """The CRD's rule about message and payload knows the server's own limit."""
    rule = next(
        one["rule"]
        for one in SPEC_RULES["x-kubernetes-validations"]
        if "maxMessageBytes" in one["message"]
    )

    assert re.findall(r": (\d{2,})\)", rule) == [str(SMFSettings().max_message_bytes)]


def test_a_pod_ends_before_it_is_killed() -> None:
    """Delay and drain fit into the pod's grace period with room for closing the store."""
    assert DRAIN_DELAY_S + DRAIN_S + 5 <= GRACE_PERIOD_S
