"""Put the leaderboard of the latest study into README.md, between its markers: ``readme_leaderboard.py [OUT]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from survbench.study import latest_study

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(<!-- leaderboard: quick -->\n).*(<!-- /leaderboard -->)", re.DOTALL)


def main() -> None:
    """Replace the block."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-results").absolute()
    board = (latest_study(out).folder(out) / "leaderboard.md").read_text(encoding="utf-8").strip()
    # headings of the board would break the README's own
    body = re.sub(r"^#+ (.*)$", r"**\1**", board, flags=re.MULTILINE)
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
