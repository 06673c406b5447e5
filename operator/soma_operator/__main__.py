"""Start the operator: `soma-operator`, or `python -m soma_operator`; and what else is asked of it."""

import asyncio
import logging
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from soma_common import collector
from soma_common.errors import InvalidInput, SomaError
from soma_common.json_log import configure_logging
from soma_common.settings import load_settings
from soma_operator import __version__
from soma_operator.adapters.access import Access, find_access
from soma_operator.approve_command import add_approve, run_approve
from soma_operator.bootstrap import Process, run_operator, utc_now
from soma_operator.handlers import Informers
from soma_operator.plan_command import FAILED, add_plan, run_plan
from soma_operator.settings import OperatorSettings

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = ArgumentParser("soma-operator", description="Runs SomaMemories on Kubernetes.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add_plan(
        commands.add_parser("plan", help="print what a reconcile would change, and change nothing")
    )
    add_approve(
        commands.add_parser("approve", help="let updates run that wait for approval, one or all")
    )
    given = parser.parse_args(arguments)
    try:
        settings = load_settings(OperatorSettings)
        if given.command == "plan":
            return asyncio.run(run_plan(given, settings))
        if given.command == "approve":
            return asyncio.run(run_approve(given, settings))
        return _operate(settings)
    except InvalidInput as error:
        bad = [f"{one.field}: {one.description}" for one in error.violations]
        facts = [f"{name}={value}" for name, value in error.facts.items()]
        sys.stderr.write("; ".join([error.message, *bad, *facts]) + "\n")
        return FAILED
    except SomaError as error:
        facts = [f"{name}={value}" for name, value in error.facts.items()]
        sys.stderr.write("; ".join([error.message, *facts]) + "\n")
        return FAILED


def _operate(settings: OperatorSettings) -> int:
    configure_logging(settings, version=__version__)
    # kopf tells each watch event; its warnings are what matters.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    access = find_access(settings.kubeconfig, os.environ)
    collector.look_seldom()
    try:
        is_wished = asyncio.run(_run(settings, access))
    # The outermost edge: a bug is told in the form of every other line, and the exit code says that it was one.
    except Exception:  # noqa: BLE001
        _log.exception("ended by an error")
        return 1
    _log.info("stopped", extra={"is_wished": is_wished})
    return 0 if is_wished else 1


async def _run(settings: OperatorSettings, access: Access) -> bool:
    stop = asyncio.Event()

    def arm_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    return await run_operator(
        settings,
        access,
        lambda queue, backups, memory: Informers(
            queue, backups, memory, access, settings.namespaces, utc_now
        ),
        Process(stop, arm_signals, utc_now),
    )


if __name__ == "__main__":
    sys.exit(main())
