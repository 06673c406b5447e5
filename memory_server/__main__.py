"""Start the memory server: `python -m memory_server`, configured by `SOMA_*` (see docs/reference/settings.md).

`python -m memory_server restore COPY` makes a store of a backup in the data folder instead, and ends.
"""

import argparse
import logging
import sys
from pathlib import Path

import uvloop

from memory_server.transport.front.launch import launch_all
from soma_common import __version__, collector
from soma_common.errors import AlreadyExists, InvalidInput, NotFound, SomaError
from soma_common.json_log import configure_logging, log_fields
from soma_common.lifecycle import stop_event_on_signals
from soma_common.settings import SMFSettings, load_settings

log = logging.getLogger("memory_server")

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2
EXIT_NOT_FOUND = 3
EXIT_NOT_EMPTY = 5
EXIT_VACANT = 9
"""Asked without a copy: one would be restored."""

_CODES: dict[type[SomaError], int] = {
    InvalidInput: EXIT_BAD_SETTINGS,
    NotFound: EXIT_NOT_FOUND,
    AlreadyExists: EXIT_NOT_EMPTY,
}
"""Exit codes as those of `soma`; another error is EXIT_FAILED."""


def main() -> int:
    """Run until a signal; return the exit code."""
    arguments = _arguments()
    try:
        settings = load_settings(SMFSettings)
    except InvalidInput as error:
        for bad in error.violations:
            sys.stderr.write(f"SOMA_{bad.field.upper()}: {bad.description}\n")
        return EXIT_BAD_SETTINGS
    configure_logging(settings, version=__version__)
    try:
        if arguments.command == "restore":
            return _restore(arguments, settings)
        _serve(settings)
    except SomaError as error:
        log.critical(error.message, extra=log_fields(error.facts))
        return _CODES.get(type(error), EXIT_FAILED)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="memory_server", description="The memory server.")
    commands = parser.add_subparsers(dest="command")
    restoring = commands.add_parser("restore", help="make a store of a backup, and end")
    restoring.add_argument(
        "copy", type=Path, nargs="?", help="what a backup gave; without one, say if it is needed"
    )
    restoring.add_argument("--sha256", type=bytes.fromhex, help="digest that it must have")
    restoring.add_argument(
        "--once", help="name of the copy: restored under it before, it is not again"
    )
    return parser.parse_args()


def _restore(arguments: argparse.Namespace, settings: SMFSettings) -> int:
    from memory_server.adapters.embedded.restore import (  # noqa: PLC0415 - the server does without
        is_restored,
        refuse_to_replace,
        restore,
    )

    folder, name = settings.data_dir, arguments.once
    if name is not None and is_restored(folder, name):
        log.info("restored before", extra={"folder": str(folder)})
        return 0
    if arguments.copy is None:
        refuse_to_replace(folder)
        return EXIT_VACANT
    commit_seq = restore(arguments.copy, folder, arguments.sha256, name)
    log.info("restored", extra={"folder": str(folder), "commit_seq": commit_seq})
    return 0


def _serve(settings: SMFSettings) -> None:
    collector.look_not_at_all()
    fronts = launch_all(settings.front_processes)
    # Late: it takes the longest of a start, and front processes come up beside it.
    from memory_server.bootstrap import serve  # noqa: PLC0415

    async def run() -> None:
        await serve(settings, stop_event_on_signals(), fronts)

    uvloop.run(run())


if __name__ == "__main__":
    sys.exit(main())
