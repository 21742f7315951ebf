"""Put the committed leaderboard of the phantom's quick profile into README.md, between its markers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "leaderboard" / "results" / "phantom-quick" / "leaderboard.md"
BLOCK = re.compile(r"(<!-- leaderboard: quick -->\n).*(<!-- /leaderboard -->)", re.DOTALL)


def with_board(readme: str, board: str) -> str:
    """Return the README's text with a board in its block.

    Raises:
        SystemExit: the README has no such block.
    """
    # headings of the board would break the README's own
    body = re.sub(r"^#+ (.*)$", r"**\1**", board.strip(), flags=re.MULTILINE)
    text, count = BLOCK.subn(lambda found: f"{found[1]}{body}\n{found[2]}", readme)
    if count != 1:
        raise SystemExit(f"README.md has {count} blocks between the markers of the leaderboard, but needs one.")
    return text


def main() -> None:
    """Replace the block."""
    path = ROOT / "README.md"
    text = with_board(path.read_text(encoding="utf-8"), BOARD.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
