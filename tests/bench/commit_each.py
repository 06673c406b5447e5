"""The memory server with its groups switched off: every write waits for an fsync of its own."""

import sys

from memory_server.__main__ import main
from memory_server.adapters.embedded import committer
from memory_server.usecases import store_together

if __name__ == "__main__":
    committer.MAX_GROUP_WRITES = 1
    store_together.TOGETHER = 1
    sys.exit(main())
