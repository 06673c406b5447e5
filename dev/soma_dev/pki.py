"""Keys and certificates of a cluster that lives on this machine alone."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365")
"""Elliptic keys are made in milliseconds, RSA keys in tenths of seconds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


def make_authority(folder: Path, name: str) -> Pair:
    """Make a certificate authority, or return the one that is there."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    if not pair.certificate.exists():
        _openssl(
            "req",
            "-x509",
            *NEW_KEY,
            "-keyout",
            pair.key,
            "-out",
            pair.certificate,
            "-subj",
            f"/CN={name}",
        )
    return pair


def sign(
    authority: Pair, folder: Path, name: str, *, subject: str, names: Iterable[str] = ()
) -> Pair:
    """Make a certificate, or return the one that is there.

    Args:
        authority: Who signs.
        folder: Where both files go.
        name: Their stem.
        subject: As openssl writes it: `/O=group/CN=name`.
        names: Subject alternative names: `IP:…` or `DNS:…`; empty for a client's certificate.
    """
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    alternative = ",".join(names)
    extensions = ["-addext", f"subjectAltName={alternative}"] if alternative else []
    if not pair.certificate.exists():
        _openssl(
            "req", "-x509", "-CA", authority.certificate, "-CAkey", authority.key, *NEW_KEY,
            "-keyout", pair.key, "-out", pair.certificate, "-subj", subject,
            "-addext", "basicConstraints=critical,CA:FALSE", *extensions,
        )  # fmt: skip
    return pair


def make_signing_key(path: Path) -> Path:
    """Make the key that signs the tokens of ServiceAccounts, or return the one that is there."""
    if not path.exists():
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    return path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
