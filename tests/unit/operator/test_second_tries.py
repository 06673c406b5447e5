"""What comes after a failure, a rejection or a long wait has its own time, and the way back is always known."""

from datetime import timedelta

import pytest

from soma_operator.core.kinds import SOMA_MEMORY, SOMA_MEMORY_CLASS
from tests.support.controller_bench import KEY
from tests.support.played_cluster import DEBUG, PlayedCluster

LATE_S = 601
"""After the progress deadline, seconds."""


async def taken_back() -> PlayedCluster:
    """Return a memory that serves again, after a change that did not succeed."""
    world = PlayedCluster()
    await world.serve()
    await world.change(DEBUG, are_ready=False)
    await world.after(LATE_S)
    await world.pods(are_ready=True)
    assert (await world.conditions())["RolledBack"][0] == "True"
    return world


async def tried_again(world: PlayedCluster) -> None:
    """Assert that what runs now may take as long as any change, and is taken back only then."""
    begun = await world.running()
    await world.pods(are_ready=False)
    await world.after(1)
    assert await world.running() == begun
    assert "Stalled" not in await world.conditions()
    await world.after(LATE_S)
    assert await world.running() != begun


@pytest.mark.parametrize("is_broken", [False, True], ids=["gone", "broken"])
async def test_a_class_that_comes_back_is_not_another_try(is_broken: bool) -> None:
    """What did not succeed stays away while its class is missing or not valid, and when it says the same again."""
    world = PlayedCluster()
    await world.give_class({"image": {"tag": "1.0"}})
    await world.serve(className="gold")
    good, bad = await world.running(), {"image": {"tag": "2.0"}}
    await world.give_class(bad)
    await world.settle()
    await world.pods(are_ready=False)
    await world.after(LATE_S)
    await world.pods(are_ready=True)
    told = (await world.status())["failedRevision"]

    if is_broken:
        await world.give_class({"limits": {"maxPayloadBytes": "many"}})
    else:
        [of_class] = await world.cluster.find(SOMA_MEMORY_CLASS)
        await world.cluster.delete(of_class)
    await world.after(LATE_S)
    assert (await world.conditions())["Ready"][1] in ("ClassNotFound", "InvalidSpec")
    await world.give_class(bad)
    await world.settle()

    assert await world.running() == good
    assert (await world.status())["failedRevision"] == told
    assert (await world.conditions())["RolledBack"][0] == "True"
    await world.give_class({"image": {"tag": "3.0"}})
    await world.settle()
    assert await world.running() not in (good, told)
    assert "RolledBack" not in await world.conditions()


async def test_a_restart_after_a_roll_back_is_another_try() -> None:
    """As the condition says; the first one's deadline does not count for it."""
    world = await taken_back()
    good = await world.running()
    await world.after(1200)

    await world.annotate(restartedAt="now")

    assert await world.running() != good
    await tried_again(world)


async def test_a_rejection_that_is_taken_back_is_another_try() -> None:
    """However long ago its revision was made."""
    world = PlayedCluster()
    await world.serve()
    await world.change(DEBUG, are_ready=False)
    rejected = (await world.status())["currentRevision"]
    await world.annotate(rejected_revision=rejected)
    await world.pods(are_ready=True)
    await world.after(1200)

    await world.annotate(rejected_revision=None)

    assert await world.running() == rejected
    await tried_again(world)


async def test_a_change_that_waited_for_a_secret_has_its_own_time() -> None:
    """The deadline counts from when its pods could start."""
    world = PlayedCluster()
    await world.serve()
    good = await world.running()
    await world.edit({"tls": {"mode": "Secret", "secretName": "cert"}})
    await world.settle()
    await world.after(1200)
    assert await world.running() == good

    await world.secret("cert")
    await world.settle()

    assert await world.running() != good
    await tried_again(world)


async def test_a_release_that_comes_in_the_midst_of_a_failure_hides_no_way_back() -> None:
    """It makes the same wish and waits; what fails is taken back at its deadline, and nothing is asked all the time."""
    world = PlayedCluster()
    await world.serve()
    good = await world.running()
    await world.change(DEBUG, are_ready=False)
    await world.after(60)
    world.release("2.0")
    await world.settle()

    await world.after(LATE_S)

    assert await world.running() == good
    await world.pods(are_ready=True)
    assert (await world.conditions())["RolledBack"][0] == "True"
    assert (await world.controller.reconcile(KEY)).requeue_after_s != 0


async def test_another_wish_that_waits_does_not_keep_the_operator_busy() -> None:
    """What runs fails, and a newer wish waits for approval: that is a person's turn."""
    supervised = {"updateStrategy": {"type": "Supervised"}}
    world = PlayedCluster()
    await world.serve(**supervised)
    await world.edit({**supervised, **DEBUG})
    await world.settle()
    await world.annotate(approved_revision=(await world.status())["updateRevision"])
    await world.pods(are_ready=False)
    await world.edit({**supervised, "monitoring": {"logLevel": "Error"}})
    await world.settle()

    await world.after(LATE_S)

    run = await world.controller.reconcile(KEY)
    assert run.result == "unchanged"
    assert run.requeue_after_s is None or run.requeue_after_s > 1
    assert (await world.conditions())["Stalled"][1] == "ProgressDeadlineExceeded"


async def test_a_failure_is_told_though_a_change_waits() -> None:
    """Whoever is asked for approval hears that what runs has died."""
    supervised = {"updateStrategy": {"type": "Supervised"}}
    world = PlayedCluster()
    await world.serve(**supervised)
    await world.edit({**supervised, **DEBUG})
    await world.settle()
    assert (await world.conditions())["Ready"] == ("Unknown", "UpdatePending")

    await world.pods(are_ready=False)
    assert (await world.conditions())["Ready"][1] == "Progressing"
    await world.after(LATE_S)

    found = await world.conditions()
    assert found["Stalled"][1] == "ProgressDeadlineExceeded"
    assert found["UpdatePending"][0] == "True"


@pytest.mark.parametrize("is_status_lost", [False, True])
async def test_a_rejected_revision_stays_away(is_status_lost: bool) -> None:
    """Also when nobody knows any more which one served before it."""
    world = PlayedCluster()
    await world.serve()
    good = await world.running()
    await world.change(DEBUG, are_ready=True)
    await world.annotate(rejected_revision=await world.running())
    await world.pods(are_ready=True)
    assert await world.running() == good

    if is_status_lost:
        stored = await world.one(SOMA_MEMORY, KEY.name)
        await world.cluster.replace({**stored, "status": {"observedGeneration": -1}})
    await world.after(1)

    assert await world.running() == good


async def test_to_reject_what_waits_does_not_let_it_run() -> None:
    """Though nothing is known to have served."""
    supervised = {"updateStrategy": {"type": "Supervised"}}
    world = PlayedCluster()
    await world.make(**supervised)
    await world.settle()
    first = await world.running()
    await world.edit({**supervised, **DEBUG})
    await world.settle()

    await world.annotate(rejected_revision=(await world.status())["updateRevision"])

    assert await world.running() == first


@pytest.mark.parametrize("reason", ["Restoring", "SecretNotFound", "ClassNotFound"])
async def test_after_what_held_everything_up_the_pods_have_their_own_time(reason: str) -> None:
    """What takes as long as it takes, or waits for somebody, is not counted against what comes after it."""
    world = PlayedCluster()
    await world.serve()
    await world.change(DEBUG, are_ready=False)
    stored = await world.one(SOMA_MEMORY, KEY.name)
    conditions = [
        {**one, "reason": reason} if one["type"] == "Ready" else one
        for one in stored["status"]["conditions"]
    ]
    await world.cluster.replace(
        {**stored, "status": {**stored["status"], "conditions": conditions}}
    )
    world.later += timedelta(seconds=LATE_S)

    await world.settle()

    assert "Stalled" not in await world.conditions()
    await world.after(LATE_S)
    assert (await world.conditions())["RolledBack"][0] == "True"
