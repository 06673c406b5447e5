"""Clock of the machine."""

import time


class SystemClock:
    """Tells the machine's time."""

    def now_us(self) -> int:
        """See the port."""
        return time.time_ns() // 1000
