"""What a build borrows from this machine without keeping it: trusted certificates and registries' settings.

Passed as build secrets, they appear in no layer and change no layer's key.
"""

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

PREFIXES = ("PIP_", "UV_", "GOPROXY", "GONOSUMDB", "GOSUMDB")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
BUNDLE = "/run/secrets/ca"
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Each names a bundle on this machine; in the build all of them name the mounted one."""

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@contextlib.contextmanager
def secrets(environment: Mapping[str, str] = os.environ) -> Iterator[list[str]]:
    """Give the arguments of a build that pass on what this machine has set."""
    with tempfile.TemporaryDirectory(prefix="soma-build-") as folder:
        exports = Path(folder) / "environment"
        exports.write_text(shell_exports(environment))
        arguments = [f"--secret=id=environment,src={exports}"]
        if bundle := bundle_of(environment):
            arguments.append(f"--secret=id=ca,src={bundle}")
        yield arguments


def shell_exports(environment: Mapping[str, str]) -> str:
    """Return shell lines that set what pip, uv and Go read."""
    passed = {
        name: value
        for name, value in environment.items()
        if name.startswith(PREFIXES) or name.upper() in PROXIES
    }
    if bundle_of(environment):
        passed |= dict.fromkeys(BUNDLE_VARIABLES, BUNDLE)
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in sorted(passed.items())
    )


def bundle_of(environment: Mapping[str, str]) -> str | None:
    """Return the bundle that this machine trusts; None when the base image's own is as good."""
    named = next((environment[name] for name in BUNDLE_VARIABLES if environment.get(name)), None)
    return named or (str(SYSTEM_BUNDLE) if SYSTEM_BUNDLE.exists() else None)
