"""The loop around copies, on an API server in memory: what is written, and when."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from soma_common.errors import PermissionRefused, Unavailable
from soma_operator.core.kinds import (
    EVENT,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY_BACKUP,
    Kind,
    Manifest,
)
from soma_operator.core.observed import ObjectKey
from tests.support.backup_pictures import SERVING, TARGET, a_backup
from tests.support.controller_bench import KEY, Bench
from tests.support.somamemories import conditions_of

COPY = ObjectKey("default", "one")


async def a_world() -> Bench:
    """Return a world with a memory that serves, a claim for copies, and a wish for one."""
    bench = Bench()
    await bench.make()
    await bench.controller.reconcile(KEY)
    await serve(bench)
    claim = {"name": "backups", "namespace": "default"}
    await bench.cluster.create(
        {"apiVersion": "v1", "kind": PERSISTENT_VOLUME_CLAIM.name, "metadata": claim}
    )
    wish = a_backup()
    metadata = {name: wish["metadata"][name] for name in ("name", "namespace", "creationTimestamp")}
    await bench.cluster.create({**wish, "metadata": metadata, "status": {}})
    return bench


async def serve(bench: Bench) -> None:
    """Say that the memory serves."""
    memory = (await bench.world())[-1]
    status = {**memory["status"], "conditions": SERVING}
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    await bench.cluster.apply_status({**memory, "metadata": metadata, "status": status})


async def copy_of(bench: Bench) -> Manifest:
    found = await bench.cluster.read(SOMA_MEMORY_BACKUP, COPY.namespace, COPY.name)
    assert found is not None
    return found


async def test_a_job_is_made_once() -> None:
    """Two looks end with one Job and a status that says so; a third writes nothing."""
    bench = await a_world()

    await bench.backups.reconcile(COPY)
    await bench.backups.reconcile(COPY)
    version = bench.cluster.version
    run = await bench.backups.reconcile(COPY)

    assert (run.result, bench.cluster.version) == ("unchanged", version)
    assert len(await bench.cluster.find(JOB)) == 1
    assert (await copy_of(bench))["status"]["phase"] == "Running"
    told = [one for one in await bench.cluster.find(EVENT) if one["regarding"]["name"] == "one"]
    assert [one["reason"] for one in told] == ["Copying"]


async def test_a_copy_that_is_gone_is_forgotten() -> None:
    """The garbage collector does the rest."""
    run = await Bench().backups.reconcile(COPY)

    assert run.result == "gone"


class Crash(BaseException):
    """The process dies here."""


async def test_a_crash_at_any_request_leads_to_the_same_world() -> None:
    """Killed before each request in turn, and started anew, the operator ends where it would have without."""
    smooth = await a_world()
    requests = await count(smooth)
    await smooth.backups.reconcile(COPY)

    for fatal in range(1, requests + 1):
        crashed = await a_world()
        crashed.cluster.before = dying(fatal)
        with pytest.raises(Crash):
            await crashed.backups.reconcile(COPY)
        crashed.heal()
        await crashed.backups.reconcile(COPY)
        await crashed.backups.reconcile(COPY)

        assert await seen(crashed) == await seen(smooth), fatal


async def count(bench: Bench) -> int:
    requests: list[str] = []
    bench.cluster.before = lambda verb, _kind: requests.append(verb)
    await bench.backups.reconcile(COPY)
    bench.heal()
    return len(requests)


def dying(fatal: int) -> Callable[[str, Kind], None]:
    left = [fatal]

    def before(_verb: str, _kind: Kind) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash

    return before


async def seen(bench: Bench) -> list[object]:
    """Return what matters of a world."""
    jobs = [one["spec"] for one in await bench.cluster.find(JOB)]
    return [str(jobs).replace(str((await copy_of(bench))["metadata"]["uid"])[:8], "UID")]


async def test_a_job_that_is_refused_is_told_and_tried_again() -> None:
    """A quota is a condition with the API server's sentence, not a retry storm."""
    bench = await a_world()
    bench.fail("apply", JOB, PermissionRefused("no", detail="exceeded quota: jobs"))

    run = await bench.backups.reconcile(COPY)

    assert run.requeue_after_s == 60.0
    status = (await copy_of(bench))["status"]
    assert conditions_of(status)["Ready"] == ("False", "Forbidden")
    assert "exceeded quota: jobs" in status["conditions"][0]["message"]
    bench.heal()
    await bench.backups.reconcile(COPY)
    assert len(await bench.cluster.find(JOB)) == 1


async def test_who_no_longer_leads_writes_nothing() -> None:
    """Neither Job nor status."""
    bench = await a_world()
    bench.is_leader = False
    version = bench.cluster.version

    with pytest.raises(Unavailable):
        await bench.backups.reconcile(COPY)

    assert bench.cluster.version == version


async def test_a_name_that_is_taken_is_told() -> None:
    """Somebody's copy has the name of the one that is due: it stays as it is, and no reconcile fails for it."""
    bench = Bench()
    await bench.make(backup={"target": TARGET, "schedule": "* * * * *"})
    bench.later = timedelta(minutes=5)
    theirs = a_backup("mem-2601020309")
    metadata = {name: theirs["metadata"][name] for name in ("name", "namespace")}
    made = await bench.cluster.create({**theirs, "metadata": metadata, "status": {}})

    await bench.controller.reconcile(KEY)

    assert (await bench.conditions())["BackupHealthy"] == ("False", "Refused")
    assert await bench.cluster.find(SOMA_MEMORY_BACKUP) == [made]


async def test_a_memory_whose_copies_are_refused_serves_on() -> None:
    """The schedule is ill, the memory is not."""
    bench = Bench()
    await bench.make(backup={"target": TARGET, "schedule": "* * * * *"})
    stored = await bench.cluster.find(SOMA_MEMORY_BACKUP)
    bench.fail("apply", SOMA_MEMORY_BACKUP, PermissionRefused("no", detail="exceeded quota"))
    bench.later = timedelta(minutes=5)

    await bench.controller.reconcile(KEY)

    told = await bench.conditions()
    assert stored == []
    assert told["BackupHealthy"] == ("False", "Forbidden")
    assert told["Ready"][1] == "StorageClassNotFound"  # as it would be without a schedule
