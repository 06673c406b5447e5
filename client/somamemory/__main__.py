"""`python -m somamemory` is `soma`."""

import sys

from somamemory.cli import main

if __name__ == "__main__":
    sys.exit(main())
