"""Documentation that cannot rot: what it names exists, and what exists is named."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from soma_common.settings import ENV_FILE_VARIABLE, SMFSettings, load_settings
from tests.bench import report

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if path.is_file()
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
PATH_IN_TABLE = re.compile(r"`([\w.-]+(?:/[\w.<>-]+)+/?)`")


def test_the_architecture_names_every_folder_and_no_other() -> None:
    """The table of rooms holds exactly the top-level folders that are kept in git."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.split("## Rooms")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `([^`]+)/` \|", section, re.MULTILINE))

    assert named == _kept_folders()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_files(page: Path) -> None:
    """A relative link of any page leads to something that is there."""
    text = (ROOT / page).read_text()
    targets = [target for target, _ in LINK.findall(text) if "://" not in target]

    missing = [each for each in targets if not (ROOT / page.parent / each).exists()]

    assert missing == []


def test_the_roadmap_says_where_each_theme_lives_and_what_proves_it() -> None:
    """Every path of the roadmap exists; a theme without proof says that it is planned."""
    page = (ROOT / "docs/ARCHITECTURE_ROADMAP.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    themes = [row for row in rows[1:] if not row[0].strip().startswith("**")]

    for theme, where, proof in themes:
        paths = PATH_IN_TABLE.findall(where + proof)
        assert proof.strip() == "planned" or PATH_IN_TABLE.findall(proof), theme
        assert [path for path in paths if not (ROOT / path).exists()] == [], theme


def test_decisions_are_numbered_and_complete() -> None:
    """Each decision has a number of its own, and says context, decision and consequences."""
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [page.name[:4] for page in pages]

    assert len(set(numbers)) == len(numbers) > 0
    for page in pages:
        text = page.read_text()
        assert text.startswith("# "), page.name
        assert all(word in text for word in ("Context", "Decision", "Consequences")), page.name


def test_the_page_of_benchmarks_is_what_the_kept_numbers_give() -> None:
    """Nobody writes a number by hand."""
    folder = ROOT / "docs/benchmarks"

    assert (ROOT / "docs/benchmarks.md").read_text() == report.render(folder)


def test_the_readme_names_only_commands_that_exist() -> None:
    """Every `soma` command and every `make` target of the README is one."""
    text = (ROOT / "README.md").read_text()
    help_text = subprocess.run(
        [sys.executable, "-c", "import somamemory.cli as c; c.main(['--help'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    makefile = (ROOT / "Makefile").read_text()

    for command in set(re.findall(r"^soma ([a-z]+)", text, re.MULTILINE)):
        assert re.search(rf"^│ {command}\s", help_text, re.MULTILINE), command
    for target in set(re.findall(r"make ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def _kept_folders() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {path.split("/")[0] for path in listed if "/" in path and not path.startswith(".")}


def test_the_example_of_settings_holds_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example file with every `#` taken away is read, and is what no file gives."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = [line.removeprefix("#") for line in lines if re.match(r"#SOMA_\w+=.", line)]
    file = tmp_path / "env"
    file.write_text("\n".join(given))
    plain = load_settings(SMFSettings)

    monkeypatch.setenv(ENV_FILE_VARIABLE, str(file))

    assert len(given) > 20
    assert load_settings(SMFSettings) == plain
