"""Where the API server is, and who we are to it: from the pod's ServiceAccount or a kubeconfig."""

import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from soma_common.errors import InvalidInput

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """One way into one API server.

    Attributes:
        server: Address without a slash at its end.
        authorities: Certificates that the server's may be signed by, PEM; None: those of the machine.
        token: A token that does not change.
        token_file: File of a token that is renewed in place; wins over `token`.
        certificate: Client certificate, PEM.
        private_key: Its key, PEM.
        is_insecure: Whether the server's certificate goes unchecked, as the kubeconfig wishes.
    """

    server: str
    authorities: str | None = None
    token: str | None = None
    token_file: Path | None = None
    certificate: str | None = None
    private_key: str | None = None
    is_insecure: bool = False

    def bearer(self) -> str | None:
        """Return the token of this moment."""
        return self.token_file.read_text().strip() if self.token_file else self.token

    def ssl_context(self) -> ssl.SSLContext:
        """Return what TLS needs."""
        context = ssl.create_default_context(cadata=self.authorities)
        if self.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate and self.private_key:
            # The ssl module reads client certificates from files only.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{self.certificate}\n{self.private_key}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def find_access(kubeconfig: Path | None, environment: Mapping[str, str]) -> Access:
    """Return the way in: the named file, else the pod's ServiceAccount, else the user's kubeconfig.

    Raises:
        InvalidInput: There is none, or it asks for what we do not do; says which.
    """
    host, port = (
        environment.get("KUBERNETES_SERVICE_HOST"),
        environment.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    if kubeconfig is None and host is not None:
        return _of_service_account(host, port)
    named = environment.get("KUBECONFIG", "").split(":")[0]
    path = kubeconfig or (Path(named) if named else Path.home() / ".kube" / "config")
    if not path.is_file():
        raise InvalidInput("no kubeconfig, and not inside a pod", file=str(path))
    return of_kubeconfig(path)


def of_kubeconfig(path: Path) -> Access:
    """Return the way in that the current context of a kubeconfig names.

    Raises:
        InvalidInput: The file is incomplete, or its user logs in by running a program.
    """
    config = yaml.safe_load(path.read_text())
    context = _named(config, "contexts", config.get("current-context"), "context", path)
    cluster = _named(config, "clusters", context.get("cluster"), "cluster", path)
    user = _named(config, "users", context.get("user"), "user", path)
    if "exec" in user or "auth-provider" in user:
        raise InvalidInput("the kubeconfig logs in by a program; use a token", file=str(path))
    folder = path.parent
    token_file = user.get("tokenFile")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        authorities=_pem(cluster, "certificate-authority", folder),
        token=user.get("token"),
        token_file=folder / token_file if token_file else None,
        certificate=_pem(user, "client-certificate", folder),
        private_key=_pem(user, "client-key", folder),
        is_insecure=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _of_service_account(host: str, port: str) -> Access:
    address = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{address}:{port}",
        authorities=(SERVICE_ACCOUNT_FOLDER / "ca.crt").read_text(),
        # The kubelet renews the token in place: it is read again and again, never kept (pitfall 18).
        token_file=SERVICE_ACCOUNT_FOLDER / "token",
    )


def _named(
    config: Mapping[str, Any], group: str, name: object, field: str, path: Path
) -> Mapping[str, Any]:
    for entry in config.get(group) or []:
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(field) or {}
            return found
    raise InvalidInput(
        "the kubeconfig names something that it does not hold", file=str(path), field=field
    )


def _pem(holder: Mapping[str, Any], field: str, folder: Path) -> str | None:
    data, file = holder.get(f"{field}-data"), holder.get(field)
    if data:
        return base64.b64decode(data).decode()
    return (folder / file).read_text() if file else None
