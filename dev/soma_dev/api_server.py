"""What every API server of ours shares: its audit policy, its flags, and how it is asked whether it is ready."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

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

    def get(self, path: str, *, timeout_s: float = 2.0) -> int | None:
        """Return the HTTP status of a GET; None when nobody answers."""
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
        except FileNotFoundError:
            return None
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=timeout_s, context=context
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


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
