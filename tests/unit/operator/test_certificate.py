"""Certificates that cert-manager keeps: what it is asked for, and what is told of them."""

from dataclasses import replace
from typing import Any

import pytest

from soma_operator.core.conditions import aspects
from soma_operator.core.explain import explain
from soma_operator.core.kinds import CERTIFICATE, Manifest, kind_of
from soma_operator.core.published import Aspect
from soma_operator.core.reconcile import Decision, decide
from soma_operator.core.render import render
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import resolve, secret_names
from tests.support.somamemories import (
    a_somamemory,
    choice_of,
    observed_of,
    settled,
    situation_of,
)


def wish(**more: Any) -> Manifest:
    """Return a spec with a certificate of an issuer."""
    asked = {"issuerRef": {"name": "authority", "kind": "ClusterIssuer"}, **more}
    return {"tls": {"mode": "CertManager", "secretName": "cert", "certManager": asked}}


def certificate_of(spec: Manifest) -> Manifest:
    observed = observed_of(a_somamemory(spec=spec))
    manifests = render(resolve(observed), choice_of(observed)).manifests
    (found,) = [one for one in manifests if kind_of(one) == CERTIFICATE]
    return found


def told(status: Manifest | None, **observed: Any) -> Aspect:
    """Return the condition of a SomaMemory whose Certificate has this status; None: there is none yet."""
    resource = a_somamemory(spec=wish())
    children = [one for one in settled(resource) if kind_of(one) != CERTIFICATE]
    if status is not None:
        children.append({**certificate_of(wish()), "status": status})
    seen = replace(observed_of(resource, children=tuple(children)), **observed)
    (found,) = [one for one in aspects(situation_of(seen)) if one.type == "CertificateReady"]
    return found


def test_a_certificate_has_the_names_of_the_services() -> None:
    """Those of the cluster, the headless one among them, and what the user adds; none twice."""
    spec = wish(dnsNames=["memory.one.test", "mem"], duration="720h", renewBefore="240h")
    made = certificate_of({**spec, "service": {"headless": True}})

    assert made["spec"]["dnsNames"] == [
        "mem",
        "mem.default",
        "mem.default.svc",
        "mem.default.svc.cluster.local",
        "mem-pods",
        "mem-pods.default",
        "mem-pods.default.svc",
        "mem-pods.default.svc.cluster.local",
        "memory.one.test",
    ]
    issuer = {"name": "authority", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert made["spec"]["issuerRef"] == issuer
    assert made["spec"]["secretName"] == "cert"
    assert (made["spec"]["duration"], made["spec"]["renewBefore"]) == ("720h", "240h")
    assert "duration" not in certificate_of(wish())["spec"]


def test_the_pods_are_those_of_a_secret_that_somebody_keeps() -> None:
    """Who keeps it is no matter of theirs: another issuer, or none, restarts nothing."""
    specs = (wish(), wish(duration="24h"), {"tls": {"mode": "Secret", "secretName": "cert"}})
    revisions = [newest_revision(resolve(observed_of(a_somamemory(spec=one)))) for one in specs]

    assert len({one.pods for one in revisions}) == 1
    assert revisions[0].wish == revisions[1].wish
    assert revisions[0].environment["SOMA_TLS_CERT_FILE"].endswith("tls.crt")
    assert secret_names(a_somamemory(spec=wish()), None) == {"cert"}


@pytest.mark.parametrize(
    ("status", "verdict", "text"),
    [
        (None, ("False", "NotIssued"), "it says nothing yet"),
        ({}, ("False", "NotIssued"), "it says nothing yet"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "no such issuer"}]},
            ("False", "NotIssued"),
            "no such issuer",
        ),
        (
            {"conditions": [{"type": "Issuing", "status": "True", "message": "on its way"}]},
            ("False", "NotIssued"),
            "it says nothing yet",
        ),
        (
            {"conditions": [{"type": "Ready", "status": "True", "message": "up to date"}]},
            ("True", "Issued"),
            "the Secret cert",
        ),
    ],
)
def test_what_cert_manager_says_is_told(
    status: Manifest | None, verdict: tuple[str, str], text: str
) -> None:
    """In a condition of its own; its words, where it has any."""
    found = told(status)

    assert (found.status, found.reason) == verdict
    assert text in found.message


def test_a_cluster_without_cert_manager_is_told() -> None:
    """Nothing is rendered for it, and the condition says what to install."""
    found = told(None, unserved=frozenset({CERTIFICATE}))
    observed = observed_of(a_somamemory(spec=wish()))
    manifests = render(resolve(observed), choice_of(observed), frozenset({CERTIFICATE})).manifests

    assert (found.status, found.reason) == ("False", "KindNotServed")
    assert "install cert-manager" in found.message
    assert CERTIFICATE not in map(kind_of, manifests)


def test_a_secret_that_is_waited_for_is_cert_managers_to_make() -> None:
    """Nobody is told to create it by hand; the plan says what is waited for."""
    observed = replace(observed_of(a_somamemory(spec=wish())), missing_secrets=frozenset({"cert"}))
    decision = decide(observed)
    assert isinstance(decision, Decision)

    lines = list(explain(decision, observed))

    assert "+ create Certificate mem" in lines
    assert any("cert-manager has not made the Secret cert yet" in line for line in lines)
    assert any(line.startswith("! CertificateReady: ") for line in lines)
