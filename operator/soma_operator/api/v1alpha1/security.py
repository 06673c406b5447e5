"""How callers and server know each other."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ATOMIC, ApiModel, rules

SecretName = Annotated[str, Field(min_length=1, max_length=253)]


Duration = Annotated[
    str, Field(max_length=32, pattern=r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$", min_length=2)
]
"""Hours, minutes and seconds, such as `2160h` or `1h30m`."""


class IssuerReference(ApiModel):
    """Who signs certificates."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the issuer."""

    kind: Annotated[str, Field(min_length=1, max_length=63)] = "Issuer"
    """Kind of the issuer: Issuer, ClusterIssuer, or one of another group. Default: Issuer."""

    group: Annotated[str, Field(min_length=1, max_length=253)] = "cert-manager.io"
    """API group of the kind. Default: cert-manager.io."""


class CertManager(ApiModel):
    """A certificate that cert-manager keeps."""

    issuer_ref: IssuerReference
    """Who signs it."""

    dns_names: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=253)]],
        Field(max_length=16, json_schema_extra=ATOMIC),
    ] = []
    """More names that clients reach the server by; those of its Services in the cluster are always there."""

    duration: Duration | None = None
    """How long a certificate is valid. Default: cert-manager's, 90 days."""

    renew_before: Duration | None = None
    """How long before its end it is renewed. Default: cert-manager's, a third of the duration."""


class Tls(ApiModel):
    """Encryption of the gRPC port."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.mode) || self.mode != 'Secret' || has(self.secretName)",
                "tls.mode Secret needs tls.secretName: a Secret with tls.crt and tls.key",
            ),
            (
                "!has(self.mode) || self.mode != 'CertManager' || has(self.secretName)",
                "tls.mode CertManager needs tls.secretName: the Secret that cert-manager is to keep",
            ),
            (
                "(has(self.mode) && self.mode == 'CertManager') == has(self.certManager)",
                "tls.certManager goes with tls.mode CertManager, and with no other",
            ),
            (
                "!has(self.clientAuth) || self.clientAuth != 'Require' || (has(self.mode) && self.mode != 'Disabled')",
                "tls.clientAuth Require needs tls.mode Secret or CertManager: without TLS there are no certificates",
            ),
            (
                "!has(self.clientCaSecretName) || (has(self.clientAuth) && self.clientAuth == 'Require')",
                "tls.clientCaSecretName is read with tls.clientAuth Require only: set it, or remove the name",
            ),
        )
    )

    mode: Literal["Disabled", "Secret", "CertManager"] = "Disabled"
    """Disabled: plain text. Secret: the certificate of a Secret that somebody keeps. CertManager: one that cert-manager
    is asked to keep. Default: Disabled."""

    secret_name: SecretName | None = None
    """Secret with `tls.crt` and `tls.key`; a renewed one is taken over without a restart."""

    cert_manager: CertManager | None = None
    """What cert-manager is asked for."""

    client_auth: Literal["None", "Require"] = "None"
    """Require: every client shows a certificate (mTLS). Default: None."""

    client_ca_secret_name: SecretName | None = None
    """Secret with `ca.crt`, which signs the certificates of clients. Default: the one with the server's certificate."""

    @property
    def is_on(self) -> bool:
        """Whether the port is encrypted."""
        return self.mode != "Disabled"


class Auth(ApiModel):
    """Who may call."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.type) || self.type != 'Tokens' || has(self.tokensSecretName)",
                "auth.type Tokens needs auth.tokensSecretName: a Secret with tokens.toml",
            ),
        )
    )

    type: Literal["None", "Tokens"] = "None"
    """None: everybody, as one tenant. Tokens: who has a token or a certificate of a file. Default: None."""

    tokens_secret_name: SecretName | None = None
    """Secret with `tokens.toml`, the file of tokens; a changed one is taken over without a restart."""
