"""The command line of the house: what the targets of the Makefile call."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from soma_dev import debian, doctor, generate, tools
from soma_dev.cluster import provider
from soma_dev.cluster.native.provider import unable
from soma_dev.demo import story
from soma_dev.images import store
from soma_dev.images.builder import docker_answers
from soma_dev.problem import Problem

TEST_CLUSTER = "test"

Command = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status is ours."""
    options = _parser().parse_args(arguments)
    debian.extend_path()
    command: Command = options.command
    try:
        return command(options)
    except Problem as problem:
        print(f"\nerror: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on", file=sys.stderr)
        return 130


def _generate(options: argparse.Namespace) -> int:
    names = options.names or list(generate.GENERATORS)
    if not options.check:
        generate.write(names)
        return 0
    stale = generate.stale(names)
    for path in stale:
        print(f"stale: {path}; run `python -m soma_dev generate`", file=sys.stderr)
    return 1 if stale else 0


def _tools(_: argparse.Namespace) -> int:
    """Build what tests need, and a node's tools where it can run."""
    wish = provider.chosen_kind(os.environ, docker=docker_answers)
    native = wish == provider.NATIVE and unable() is None
    debian.ensure(debian.NATIVE_NODE if native else debian.CONTROL_PLANE)
    tools.ensure((*(tools.NATIVE_NODE if native else ()), *tools.TESTS))
    return 0


def _images(_: argparse.Namespace) -> int:
    for name in store.ensure(_say).values():
        print(name)
    return 0


def _cluster_up(options: argparse.Namespace) -> int:
    cluster = provider.choose(options.name)
    kubeconfig = cluster.up(_say)
    _say(f"{cluster.description} is ready")
    print(f"export KUBECONFIG={kubeconfig}")
    return 0


def _cluster_down(options: argparse.Namespace) -> int:
    cluster = provider.choose(options.name)
    found = cluster.down()
    _say(f"{cluster.description}: {'removed' if found else 'nothing to remove'}")
    return 0


def _say(line: str) -> None:
    """Tell progress to people; the standard output is for results."""
    print(line, file=sys.stderr, flush=True)


def _demo(_: argparse.Namespace) -> int:
    story.up()
    return 0


def _demo_down(_: argparse.Namespace) -> int:
    story.down()
    return 0


def _doctor(_: argparse.Namespace) -> int:
    return doctor.run()


COMMANDS: Mapping[str, tuple[Command, str]] = {
    "demo": (_demo, "show the main job, from an empty machine"),
    "demo-down": (_demo_down, "remove everything that the demo made"),
    "doctor": (_doctor, "say what is present, what would be built, and how long it takes"),
    "tools": (_tools, "build the pinned tools that this machine lacks into the cache"),
    "images": (_images, "build both images of the present sources"),
    "cluster-up": (_cluster_up, "start a cluster and print its KUBECONFIG"),
    "cluster-down": (_cluster_down, "stop a cluster"),
    "generate": (_generate, "write generated files, or check them"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m soma_dev", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, purpose) in COMMANDS.items():
        sub = commands.add_parser(name, help=purpose, description=purpose)
        sub.set_defaults(command=command)
        if name.startswith("cluster-"):
            sub.add_argument(
                "name", nargs="?", default=TEST_CLUSTER, help="which one of this checkout"
            )
        if name == "generate":
            sub.add_argument("names", nargs="*", help=f"of: {', '.join(generate.GENERATORS)}")
            sub.add_argument(
                "--check", action="store_true", help="write nothing, tell what is stale"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
