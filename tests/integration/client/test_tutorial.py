"""The tutorial, line by line, against a new server."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.server_process import ROOT, ServerProcess

BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
SOMA = [sys.executable, "-c", "import somamemory.cli as c, sys; sys.exit(c.main(sys.argv[1:]))"]


def run(command: list[str], folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SOMA_ADDRESS": address, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def commands(block: str) -> list[tuple[str, str]]:
    """Return each command of a console block with what the page says that it prints."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, said) for command, _, said in (part.partition("\n") for part in parts)]


def is_said(said: str, printed: str) -> bool:
    """Tell whether a page says what was printed; `…` stands for anything."""
    words = [re.escape(" ".join(part.split())) for part in said.strip().split("…")]
    return re.fullmatch(r".*?".join(words), " ".join(printed.split()), re.DOTALL) is not None


def check_console(block: str, folder: Path, address: str) -> None:
    for command, said in commands(block):
        program, *arguments = shlex.split(command)
        assert program == "soma"
        ended = run([*SOMA, *arguments], folder, address)
        must_fail = said.startswith("!")
        assert (ended.returncode != 0) == must_fail, (command, ended.stderr)
        printed = ended.stderr if must_fail else ended.stdout
        assert is_said(said.removeprefix("!"), printed), (command, printed)


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Every command prints what the page shows, every program ends well."""
    page = (ROOT / "docs/tutorial.md").read_text()
    blocks = BLOCK.findall(page)
    assert len(blocks) >= 8
    with ServerProcess(tmp_path / "data") as server:
        for kind, block in blocks:
            if kind == "console":
                check_console(block, tmp_path, server.address)
                continue
            program = block.replace("MemoryClient()", f'MemoryClient("{server.address}")')
            if "import" not in program:
                program = f"from somamemory import MemoryClient\n{program}"
            ended = run([sys.executable, "-c", program], tmp_path, server.address)
            assert ended.returncode == 0, ended.stderr
