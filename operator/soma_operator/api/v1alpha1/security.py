"""How callers and server know each other."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ApiModel, rules

SecretName = Annotated[str, Field(min_length=1, max_length=253)]


class Tls(ApiModel):
    """Encryption of the gRPC port."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.mode) || self.mode != 'Secret' || has(self.secretName)",
                "tls.mode Secret needs tls.secretName: a Secret with tls.crt and tls.key",
            ),
            (
                "!has(self.clientAuth) || self.clientAuth != 'Require' || (has(self.mode) && self.mode == 'Secret')",
                "tls.clientAuth Require needs tls.mode Secret: without TLS there are no certificates",
            ),
            (
                "!has(self.clientCaSecretName) || (has(self.clientAuth) && self.clientAuth == 'Require')",
                "tls.clientCaSecretName is read with tls.clientAuth Require only: set it, or remove the name",
            ),
        )
    )

    mode: Literal["Disabled", "Secret"] = "Disabled"
    """Disabled: plain text. Secret: the certificate of a Secret, such as cert-manager keeps one. Default: Disabled."""

    secret_name: SecretName | None = None
    """Secret with `tls.crt` and `tls.key`; a renewed one is taken over without a restart."""

    client_auth: Literal["None", "Require"] = "None"
    """Require: every client shows a certificate (mTLS). Default: None."""

    client_ca_secret_name: SecretName | None = None
    """Secret with `ca.crt`, which signs the certificates of clients. Default: the one with the server's certificate."""


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
