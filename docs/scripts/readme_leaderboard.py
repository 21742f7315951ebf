"""Put the committed leaderboard of the phantom's quick profile into README.md, between its markers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "leaderboard" / "results" / "phantom-quick" / "leaderboard.md"
BLOCK = re.compile(r"(<!-- leaderboard: quick -->\n).*(<!-- /leaderboard -->)", re.DOTALL)


def with_board(readme: str, board: str) -> str:
    """Return the README's text with a board in its block."""
    # headings of the board would break the README's own
    body = re.sub(r"^#+ (.*)$", r"**\1**", board.strip(), flags=re.MULTILINE)
    return BLOCK.sub(lambda found: f"{found[1]}{body}\n{found[2]}", readme)


def main() -> None:
    """Replace the block; without committed predictions of that profile it stays as it is."""
    path = ROOT / "README.md"
    if not BOARD.is_file():
        print(f"{BOARD.relative_to(ROOT)} is not there; README.md is left as it is")
        return
    text = with_board(path.read_text(encoding="utf-8"), BOARD.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
