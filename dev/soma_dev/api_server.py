"""What every API server of ours shares: its audit policy, its flags, and how it is asked whether it is ready."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
WRITES_ONLY = {
    **AUDIT_POLICY,
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API server and the administrator's way in."""

    host: str
    port: int
    authority: Path
    token: str

    @property
    def url(self) -> str:
        """Base URL, without a slash at its end."""
        return f"https://{self.host}:{self.port}"

    def answers(self, path: str, *, timeout_s: float = 2.0) -> bool:
        """Tell whether a GET is answered with 200."""
        try:
            with self._asked("GET", path, None, timeout_s) as response:
                return response.status == 200
        except (OSError, http.client.HTTPException):
            return False

    def read(self, path: str) -> dict[str, Any]:
        """Return the object or list at a path."""
        with self._asked("GET", path, None, 30.0) as response:
            return _answer(response)

    def send(self, method: str, path: str, body: object) -> dict[str, Any]:
        """Write, and return what the server made of it."""
        with self._asked(method, path, json.dumps(body), 30.0) as response:
            return _answer(response)

    def watch(self, path: str, *, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Give the events of a watch until the server ends it."""
        with self._asked("GET", path, None, timeout_s) as response:
            if response.status != 200:
                _answer(response)
            for line in response:
                yield json.loads(line)

    @contextlib.contextmanager
    def _asked(
        self, method: str, path: str, body: str | None, timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=timeout_s, context=context
        )
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body=body, headers=headers)
            yield connection.getresponse()
        finally:
            connection.close()


def _answer(response: http.client.HTTPResponse) -> dict[str, Any]:
    content = response.read()
    if response.status >= 400:
        raise OSError(f"the API server answered {response.status}: {content[:500]!r}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def flags(
    *, etcd: str, certificates: Path, serving: str, audit_policy: object, audit_log: Path
) -> list[str]:
    """Return the flags that do not depend on where the API server listens.

    Args:
        etcd: URL of etcd.
        certificates: Folder with `ca.crt`, `sa.key`, `tokens.csv` and the serving certificate.
        serving: Stem of the serving certificate.
        audit_policy: What is written to the audit log.
        audit_log: JSON lines, one per finished request.
    """
    policy = certificates / "audit-policy.json"
    policy.write_text(json.dumps(audit_policy))
    audit_log.parent.mkdir(parents=True, exist_ok=True)
    return [
        f"--etcd-servers={etcd}",
        f"--tls-cert-file={certificates / f'{serving}.crt'}",
        f"--tls-private-key-file={certificates / f'{serving}.key'}",
        f"--client-ca-file={certificates / 'ca.crt'}",
        f"--token-auth-file={certificates / 'tokens.csv'}",
        f"--service-account-key-file={certificates / 'sa.key'}",
        f"--service-account-signing-key-file={certificates / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=2",
        "--profiling=false",
    ]
