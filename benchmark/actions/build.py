"""Builds the board of a study, its tables and its site from its runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from survbench.io.files import write_text
from survbench.io.hashing import digest, file_digest
from survbench.io.study_files import BOARD_HTML, BOARD_JSON, BOARD_MD, SELECTION, SITE, TABLES
from survbench.plan.code_key import code_and_data_fingerprint
from survbench.plan.study import Study
from survbench.runs.store import DONE, RECORD, Store

if TYPE_CHECKING:
    from survbench.evaluation.pseudonyms import Pseudonyms
    from survbench.leaderboard.board.rows import Board

BUILT = "built.sha256"
"""Beside a board: what it was built of, so that a run that changes nothing builds nothing."""


def build_and_write(
    study: Study, store: Store, *, published: bool = False, figures: bool = False, pseudonyms: Path | None = None
) -> Board:
    """Build a study's board, tables and site from its runs, and write them into its folder.

    Args:
        study: the study.
        store: its runs.
        published: whether the board in LaTeX has the published values, too.
        figures: whether figures for a paper are drawn, too, which takes longer than all the rest.
        pseudonyms: file of the key of the pseudonyms that the site has; None for ids.
    """
    from survbench.evaluation.feature_selection import selections
    from survbench.evaluation.pseudonyms import pseudonyms_of
    from survbench.evaluation.sample import measure
    from survbench.leaderboard.board.build import board_of
    from survbench.leaderboard.paper.tables import tables
    from survbench.leaderboard.site.site import write_site
    from survbench.leaderboard.writers.board_files import write_board
    from survbench.leaderboard.writers.figure_files import FOLDER as FIGURES
    from survbench.leaderboard.writers.figure_files import paper_charts, write_figures
    from survbench.leaderboard.writers.selection_files import write_selections
    from survbench.leaderboard.writers.table_files import write_tables

    measured, chosen, folder = measure(study, store), selections(study, store), study.folder(store.root)
    board = board_of(study, measured)
    write_board(board, folder, chosen, published=published)
    write_tables(tables(board, study), folder / TABLES)
    write_selections(chosen, folder / SELECTION)
    named = pseudonyms_of(study, store, pseudonyms)
    write_site(study, store, board, measured, chosen, named)
    if figures:
        write_figures(paper_charts(study, store, board, measured), folder / FIGURES)
    write_text(folder / BUILT, _origin(study, store, named) + "\n")
    return board


def board_if_unchanged(
    study: Study, store: Store, *, checked: frozenset[str], pseudonyms: Path | None = None
) -> Board | None:
    """Return the board as it was built, if nothing that it is made of has changed since; else None. The files of runs
    that the plan has not ``checked``, those of methods that others have added, are looked at here.
    """
    from survbench.evaluation.pseudonyms import pseudonyms_of
    from survbench.leaderboard.writers.board_files import read_board

    folder = study.folder(store.root)
    if not all((folder / name).is_file() for name in (BOARD_HTML, BOARD_MD, f"{SITE}/index.html")):
        return None
    if not all(store.is_done(key) for key in study.run_keys() if key not in checked):
        return None
    try:
        known = (folder / BUILT).read_text(encoding="utf-8").strip()
        origin = _origin(study, store, pseudonyms_of(study, store, pseudonyms))
        return read_board(folder / BOARD_JSON) if known == origin else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _origin(study: Study, store: Store, named: Pseudonyms | None) -> str:
    """Hash what a board and its pages are made of: the study, its runs, the code that draws them, and pseudonyms."""
    runs = {
        key: file_digest(path)
        for key in study.run_keys()
        for path in (store.folder(key) / RECORD, store.folder(key) / DONE)
        if path.is_file()
    }
    shown = [named.fingerprint] if named else []
    return digest([study.to_json(), runs, code_and_data_fingerprint(__name__), *shown])
