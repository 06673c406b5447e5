"""Settings: one source, a fixed precedence, every violation named."""

from pathlib import Path

import pytest

from soma_common.errors import InvalidInput
from soma_common.settings import SMFSettings, load_settings


def test_explicit_beats_environment_beats_file_beats_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each source wins over those after it."""
    file = tmp_path / "soma.env"
    file.write_text("SOMA_GRPC_PORT=1001\nSOMA_HTTP_PORT=1002\nSOMA_INSTANCE=from-file\n")
    monkeypatch.setenv("SOMA_ENV_FILE", str(file))
    monkeypatch.setenv("SOMA_GRPC_PORT", "2001")
    monkeypatch.setenv("SOMA_HTTP_PORT", "2002")

    settings = load_settings(SMFSettings, grpc_port=3001, env=None)

    assert settings.grpc_port == 3001
    assert settings.http_port == 2002
    assert settings.instance == "from-file"
    assert settings.env == "dev"


@pytest.mark.parametrize("name", ["absent.env", "", "folder", "latin-1.env"])
def test_a_file_that_cannot_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Not an empty file: a server without the settings that it holds would let everybody in."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin-1.env").write_bytes(b"SOMA_INSTANCE=caf\xe9\n")
    monkeypatch.setenv("SOMA_ENV_FILE", str(tmp_path / name) if name else "")

    with pytest.raises(InvalidInput) as caught:
        load_settings(SMFSettings)

    assert [violation.field for violation in caught.value.violations] == ["env_file"]


def test_every_bad_setting_is_named() -> None:
    """One error names them all, without their values."""
    with pytest.raises(InvalidInput) as caught:
        load_settings(SMFSettings, grpc_port=0, store="canary", drain_s=-1)

    named = {violation.field for violation in caught.value.violations}
    assert named == {"grpc_port", "store", "drain_s"}
    assert "canary" not in str(caught.value.violations)


def test_the_embedder_decides_which_dimensions_are_possible() -> None:
    """wordllama has three nested sizes; a caller's own vectors may have any."""
    with pytest.raises(InvalidInput):
        load_settings(SMFSettings, embedding_dimensions=100)

    settings = load_settings(SMFSettings, embedder="none", embedding_dimensions=100)
    assert settings.embedding_dimensions == 100


def test_no_default_names_a_host() -> None:
    """An address that is not given means that the dependency is not used."""
    settings = load_settings(SMFSettings)

    for name in ("redis_url", "postgres_url", "qdrant_url", "kafka_bootstrap_servers",
                 "auth_service_url", "opa_service_url", "vault_addr", "etcd_endpoint"):  # fmt: skip
        assert getattr(settings, name) is None


def test_secrets_do_not_show() -> None:
    """The text of the settings hides what is secret."""
    settings = load_settings(SMFSettings, postgres_url="postgresql://u:canary@db/x")

    assert "canary" not in repr(settings)
