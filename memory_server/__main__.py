"""Start the memory server: `python -m memory_server`, configured by `SOMA_*` (see docs/reference/settings.md)."""

import asyncio
import logging
import sys

from memory_server.bootstrap import serve
from soma_common import __version__
from soma_common.errors import InvalidInput, SomaError
from soma_common.json_log import configure_logging
from soma_common.lifecycle import stop_event_on_signals
from soma_common.settings import SMFSettings, load_settings

EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2


def main() -> int:
    """Run until a signal; return the exit code."""
    try:
        settings = load_settings(SMFSettings)
    except InvalidInput as error:
        for bad in error.violations:
            sys.stderr.write(f"SOMA_{bad.field.upper()}: {bad.description}\n")
        return EXIT_BAD_SETTINGS
    configure_logging(settings, version=__version__)
    try:
        asyncio.run(_run(settings))
    except SomaError as error:
        logging.getLogger("memory_server").critical(error.message, extra=dict(error.facts))
        return EXIT_BAD_SETTINGS if isinstance(error, InvalidInput) else EXIT_FAILED
    return 0


async def _run(settings: SMFSettings) -> None:
    await serve(settings, stop_event_on_signals())


if __name__ == "__main__":
    sys.exit(main())
