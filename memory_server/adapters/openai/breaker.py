"""A circuit breaker: whoever fails again and again is left alone for a while. Pure; time is an argument."""

FAILURES = 3
"""In a row before it opens."""

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0


class Breaker:
    """Tells whether a call may be tried.

    Closed: every call may. Open: none may until the pause is over, then one, whose end decides. The pause doubles with
    each trial that fails.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until = 0.0
        self._is_open = False
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the last that is known is failure."""
        return self._is_open

    def allows(self, now: float) -> bool:
        """Tell whether a call may be made now; when it may, `succeeded`, `failed` or `left` must follow."""
        if not self._is_open:
            return True
        if now < self._open_until or self._is_trying:
            return False
        self._is_trying = True
        return True

    def succeeded(self) -> None:
        """Close."""
        self._failures, self._pause_s = 0, FIRST_PAUSE_S
        self._is_open = self._is_trying = False

    def failed(self, now: float, *, pause_s: float | None = None) -> None:
        """Count a failure; open when there were enough.

        Args:
            now: The time, seconds.
            pause_s: What the other side asks for; opens at once. None: it asks for nothing.
        """
        self._failures += 1
        was_trial, self._is_trying = self._is_trying, False
        if pause_s is None and not was_trial and self._failures < FAILURES:
            return
        if self._is_open and not was_trial:
            return  # a call that began before it opened
        self._is_open = True
        self._open_until = now + min(max(pause_s or 0.0, self._pause_s), MAX_PAUSE_S)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)

    def left(self) -> None:
        """Say that the call ended without telling anything, such as by being cancelled."""
        self._is_trying = False
