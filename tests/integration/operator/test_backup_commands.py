"""The very commands that Jobs run, with the variables and files that the operator gives them; no cluster runs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from soma_common.tokens import new_token, token_hash
from soma_dev.pki import make_authority, sign
from soma_operator.core.backup.decide import decide_backup
from soma_operator.core.backup.restore import restoring_job
from soma_operator.core.backup.tasks import removal
from soma_operator.core.kinds import Manifest
from soma_operator.core.observed import Restore
from soma_operator.core.resolve import resolve
from somamemory import MemoryClient
from tests.support.backup_pictures import a_backup, a_serving_memory, picture_of
from tests.support.s3_server import S3Server, s3_server
from tests.support.server_process import HOST, ServerProcess
from tests.support.somamemories import a_somamemory, observed_of

GUARDED: Manifest = {
    "tls": {"mode": "Secret", "secretName": "cert"},
    "auth": {"type": "Tokens", "tokensSecretName": "callers"},
    "backup": {"tokenSecretName": "token"},
}
ADDRESS = "mem.default.svc:50053"


@dataclass(frozen=True, slots=True)
class Kubelet:
    """Runs the command of a Job in a folder, as a kubelet runs it in a pod.

    Attributes:
        folder: Stands for the root of the pod's file system.
        secrets: Content of each Secret.
        address: Where the Service leads.
    """

    folder: Path
    address: str
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, job: Manifest) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        pod = job["spec"]["template"]["spec"]
        command = pod["containers"][0]
        folders = [one["mountPath"] for one in command["volumeMounts"]]
        for volume in pod["volumes"]:
            self._mount(volume, command["volumeMounts"])
        environment = {"PATH": "/usr/bin:/bin"}
        for one in command["env"]:
            value = one.get("value") or self._secret_value(one["valueFrom"]["secretKeyRef"])
            if value is not None:
                environment[one["name"]] = self._inside(value, folders)
        arguments = [
            self._inside(one, [*folders, "/dev/termination-log"]) for one in command["args"]
        ]
        (self.folder / "dev").mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, *command["command"][1:], *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def report(self) -> Manifest:
        """Return what the command wrote for the kubelet."""
        told: Manifest = json.loads((self.folder / "dev/termination-log").read_text())
        return told

    def _mount(self, volume: Manifest, mounts: list[Manifest]) -> None:
        place = next(one["mountPath"] for one in mounts if one["name"] == volume["name"])
        folder = self.folder / place.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for item in volume.get("secret", {}).get("items", []):
            content = self.secrets[volume["secret"]["secretName"]][item["key"]]
            (folder / item["path"]).write_text(content)

    def _secret_value(self, reference: Manifest) -> str | None:
        content = self.secrets[reference["name"]]
        return content.get(reference["key"]) if reference["optional"] else content[reference["key"]]

    def _inside(self, value: str, folders: list[str]) -> str:
        if value == ADDRESS:
            return self.address
        is_path = any(value.startswith(folder) for folder in folders)
        return f"{self.folder}{value}" if is_path else value


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    """A server over TLS that wants tokens, with a memory in it, and what a pod beside it is given."""
    pair = sign(
        make_authority(tmp_path, "authority"), tmp_path, "server",
        subject="/CN=mem", names=[f"IP:{HOST}"],
    )  # fmt: skip
    token, agent = new_token(), new_token()
    entries = [("copier", token, '["backup"]'), ("agent", agent, '["read", "write"]')]
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        "".join(
            f'[[tokens]]\nname = "{name}"\ntenant = "team"\nscopes = {scopes}\nsha256 = "{token_hash(one)}"\n'
            for name, one, scopes in entries
        )
    )
    secrets = {
        "cert": {"tls.crt": pair.certificate.read_text()},
        "token": {"token": token},
        "wrong": {"token": agent},
    }
    with ServerProcess(
        tmp_path / "server",
        tls_cert_file=pair.certificate,
        tls_key_file=pair.key,
        auth_tokens_file=tokens,
        embedder="none",
    ) as server:
        with MemoryClient(server.address, token=agent, ca_file=pair.certificate) as client:
            client.store({"text": "kept"}, id="kept")
        yield Kubelet(tmp_path / "pod", server.address, secrets)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that checks signatures."""
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture(params=["Volume", "S3"])
def target(request: pytest.FixtureRequest, s3: S3Server, kubelet: Kubelet) -> Manifest:
    """Where copies are kept."""
    if request.param == "Volume":
        return {"type": "Volume", "volume": {"claimName": "backups", "path": "team"}}
    keys = s3.environment
    kubelet.secrets["keys"] = {
        "accessKeyId": keys["AWS_ACCESS_KEY_ID"],
        "secretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
    }
    bucket = {"endpoint": keys["AWS_ENDPOINT_URL"], "bucket": "memories", "prefix": "team"}
    return {"type": "S3", "s3": {**bucket, "credentialsSecretName": "keys"}}


def copying(target: Manifest, spec: Manifest = GUARDED) -> Manifest:
    job = decide_backup(picture_of(a_backup(target=target), memory=a_serving_memory(spec))).job
    assert job is not None
    return job


def restoring(target: Manifest, sha256: str) -> Manifest:
    source = a_backup(target=target, phase="Succeeded")
    source["status"]["sha256"] = sha256
    memory = a_somamemory("new", spec={"bootstrap": {"type": "Backup", "backupName": "one"}})
    observed = replace(observed_of(memory), restore=Restore(source=source))
    job = restoring_job(resolve(observed), observed)
    assert job is not None
    return job


def test_a_copy_is_made_restored_and_removed(kubelet: Kubelet, target: Manifest) -> None:
    """By the Jobs of the operator, over TLS with a token; what was stored is there again."""
    made = kubelet.run(copying(target))
    assert made.returncode == 0, made.stderr
    report = kubelet.report()
    assert report["memory_count"] == 1

    restored = [kubelet.run(restoring(target, report["sha256"])).returncode for _ in range(2)]

    assert restored == [0, 0]
    with (
        ServerProcess(kubelet.folder / "data", embedder="none") as server,
        MemoryClient(server.address) as client,
    ):
        assert client.server_info().commit_seq == report["commit_seq"]
    picture = picture_of(a_backup(target=target), memory=a_serving_memory())
    memory = picture.memory
    assert memory is not None
    going = removal(picture, memory, resolve(observed_of(memory)))
    assert [kubelet.run(going).returncode for _ in range(2)] == [0, 0]
    shutil.rmtree(kubelet.folder / "data")
    assert kubelet.run(restoring(target, report["sha256"])).returncode == 3


def test_a_copy_that_was_changed_is_not_restored(kubelet: Kubelet, target: Manifest) -> None:
    """The digest of the SomaMemoryBackup is asked for; the storage stays empty."""
    assert kubelet.run(copying(target)).returncode == 0

    refused = kubelet.run(restoring(target, "ab" * 32))

    assert refused.returncode == 1
    assert "digest" in refused.stderr
    assert not (kubelet.folder / "data/memory.sqlite3").exists()


def test_a_token_without_the_scope_is_told(kubelet: Kubelet) -> None:
    """The last words of the pod name the mend."""
    spec = {**GUARDED, "backup": {"tokenSecretName": "wrong"}}
    volume = {"type": "Volume", "volume": {"claimName": "backups"}}

    refused = kubelet.run(copying(volume, spec))

    assert refused.returncode != 0
    assert "ask for a token with that scope" in refused.stderr
    assert [one for one in (kubelet.folder / "backups").rglob("*") if one.is_file()] == []
