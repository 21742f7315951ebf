"""Store the phantom's predictions with the code, and rebuild the boards from them.

``publish_results.py OUT`` packs every study of the phantom in an output folder into leaderboard/results/ and builds its
board there; ``publish_results.py`` alone rebuilds the boards from the packed studies. If nothing has changed, the files
do not change either.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from survbench.evaluation.bundle import pack, unpack
from survbench.io.files import write_text
from survbench.io.layout import Status
from survbench.io.study_files import BOARD, TABLES
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.paper.tables import tables
from survbench.leaderboard.writers.board_files import board_texts
from survbench.leaderboard.writers.table_files import write_tables
from survbench.plan.study import STUDY, Study, find_studies
from survbench.runs.store import Store

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"
COHORT = "phantom"


def publish(out: Path, results: Path) -> None:
    """Pack the phantom's studies with the default protocol; a study replaces an earlier one with the same profile.

    Raises:
        SystemExit: two studies have the same profile, or a method is not complete; then nothing is packed.
    """
    store, chosen = Store(out), [study for study in find_studies(out) if _is_default(study)]
    names = [study.profile.name for study in chosen]
    twice = [study.name for study in chosen if names.count(study.profile.name) > 1]
    if twice:
        raise SystemExit(f"{', '.join(twice)} have the same profile. Publish from a folder with only one of them.")
    for study in chosen:
        bad = [row.method for row in build_board(study, store).rows if row.status not in {Status.OK, Status.SKIPPED}]
        if bad:
            raise SystemExit(f"{', '.join(bad)} of {study.name} are not complete. Run 'bench run' again.")
    for study in chosen:
        folder = results / f"{COHORT}-{study.profile.name}"
        shutil.rmtree(folder, ignore_errors=True)
        pack(study, store, folder)
        sys.stdout.write(f"{study.name}: {_kilobytes(folder)} kB in {folder}\n")


def _is_default(study: Study) -> bool:
    protocol = study.protocol
    plain = (protocol.tuning, protocol.selection, protocol.seeds) == ("none", "last", 1)
    return study.cohort.name == COHORT and plain


def rebuild(results: Path) -> None:
    """Build the board and the tables of every packed study in its folder."""
    for packed in sorted(results.glob(f"*/{STUDY}")):
        with tempfile.TemporaryDirectory() as scratch:
            store = Store(Path(scratch))
            study = unpack(packed.parent, store)
            board = build_board(study, store)
            for kind, text in board_texts(board).items():
                write_text(packed.parent / f"{BOARD}.{kind}", text)
            write_tables(tables(board, study), packed.parent / TABLES)


def main(arguments: list[str], results: Path = RESULTS) -> None:
    """Publish if an output folder is given, then rebuild."""
    if arguments:
        publish(Path(arguments[0]).absolute(), results)
    rebuild(results)


def _kilobytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
