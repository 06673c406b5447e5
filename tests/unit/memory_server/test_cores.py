"""How many cores a process may keep busy."""

import os
from pathlib import Path

import pytest

from memory_server.adapters.cores import usable_cores

ALL = len(os.sched_getaffinity(0))


def a_system(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ALL),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, ALL),
        ({"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "6400000 100000\n"}, ALL),
        ({"sys/fs/cgroup/cpu.max": "torn"}, ALL),
        ({"sys/fs/cgroup/cpu.max": "1 0"}, ALL),
        (
            {"proc/self/cgroup": "0::/pods/one\n", "sys/fs/cgroup/pods/one/cpu.max": "50000 50000"},
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/pods/one\n2:cpu,cpuacct:/pods/one\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/pods/one/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu,cpuacct/pods/one/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            ALL,
        ),
        ({"proc/self/cgroup": "no such line", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1"}, ALL),
    ],
)
def test_a_limit_of_processor_time_counts_as_cores(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    """Of either version of control groups; what is not understood limits nothing."""
    assert usable_cores(a_system(tmp_path, files)) == expected


def test_a_pinned_process_has_the_cores_that_it_is_pinned_to(tmp_path: Path) -> None:
    """Whatever the container might have."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
