"""What stops a command, in words that tell the person at the keyboard what to do."""


class Problem(Exception):
    """A command cannot go on; carries what is wrong and how it is mended."""

    def __init__(self, what: str, *, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n  mend: {self.mend}"
