"""Put a few rows of the phantom's committed board into README.md, between its markers, and update its picture.

``readme_leaderboard.py`` writes the rows; with ``--picture`` it also builds the board's page and takes a screenshot of
it, which needs chromium.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from survbench.io.study_files import BOARD_HTML, BOARD_JSON
from survbench.leaderboard.board.rows import Board
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text.columns import cells
from survbench.leaderboard.text.markdown_text import table_lines
from survbench.leaderboard.writers.board_files import read_board

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "leaderboard" / "results" / "phantom-standard" / BOARD_JSON
PICTURE = ROOT / "docs" / "images" / "leaderboard.png"
METHODS = ("oracle", "radiomics-lasso-cox", "deepmts", "sur-hs", "volume")
COLUMNS = ("#", "Method", "C-index (95 % CI)", "External C (95 % CI)", "Dice", "Holm p", "Published C")
BLOCK = re.compile(r"(<!-- leaderboard: standard -->\n).*(<!-- /leaderboard -->)", re.DOTALL)
WINDOW = "1280,1500"


def table(board: Board) -> str:
    """Return the selected rows as Markdown, in the order of the board."""
    rows = [cells(row) for row in board.rows if row.method in METHODS]
    return "\n".join(table_lines(COLUMNS, ([row[name] for name in COLUMNS] for row in rows)))


def with_table(readme: str, board: Board) -> str:
    """Return the README's text with the rows in its block.

    Raises:
        SystemExit: the README does not have exactly one such block.
    """
    text, count = BLOCK.subn(lambda found: f"{found[1]}{table(board)}\n{found[2]}", readme)
    if count != 1:
        raise SystemExit(f"README.md has {count} blocks between the leaderboard markers, but needs exactly one.")
    return text


def photograph(board: Board, picture: Path) -> None:
    """Take a screenshot of the board's page in a browser."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / BOARD_HTML
        page.write_text(html(board), encoding="utf-8")
        subprocess.run(
            [
                shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--hide-scrollbars",
                f"--window-size={WINDOW}", f"--user-data-dir={folder}/profile",
                f"--screenshot={picture}", page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip


def main(arguments: list[str]) -> None:
    """Replace the block and, if requested, the picture."""
    board, path = read_board(BOARD), ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8"), board), encoding="utf-8")
    if arguments == ["--picture"]:
        photograph(board, PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
