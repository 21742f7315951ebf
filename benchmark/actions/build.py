"""Builds the board of a study, its tables and its site from its runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from survbench.io.checksums import altered, checksums
from survbench.io.files import named_if_full, write_text
from survbench.io.hashing import digest, file_digest, regular
from survbench.io.stored import UnreadableError
from survbench.io.study_files import BOARD, BOARD_JSON, BUILT, FIGURES, SELECTION, SITE, TABLES
from survbench.plan.code_key import code_and_data_fingerprint
from survbench.plan.study import Study
from survbench.runs.store import DONE, RECORD, Store

if TYPE_CHECKING:
    from survbench.evaluation.pseudonyms import Pseudonyms
    from survbench.leaderboard.board.rows import Board

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Built:
    """The content of ``built.sha256``, which ``sha256sum --check`` reads, too.

    Attributes:
        origin: a hash of what a board was built of.
        published: whether the board in LaTeX has the published values.
        files: the SHA-256 of all files that were built, by their paths in the study's folder.
    """

    origin: str
    published: bool
    files: Mapping[str, str]

    def text(self) -> str:
        """Return what stands in the file: a comment, and a line for each file."""
        head = ["#", self.origin, _PUBLISHED[self.published], self._checksum()]
        return "\n".join([" ".join(head), *(f"{checksum}  {name}" for name, checksum in self.files.items())]) + "\n"

    def _checksum(self) -> str:
        return digest([self.origin, self.published, dict(self.files)])

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what :meth:`text` gave.

        Raises:
            ValueError: it is another text.
        """
        head, *lines = text.splitlines() or [""]
        _, origin, published, _ = head.split()
        built = cls(origin, published == _PUBLISHED[True], {name: of for of, name in (e.split("  ", 1) for e in lines)})
        if built.text() != text:
            raise ValueError("it was changed after it was written")
        return built


_PUBLISHED = {True: "published", False: "plain"}


def read_built(folder: Path) -> Built | None:
    """Return what is known of the files of a study's board, or None where that is missing or cannot be read."""
    try:
        return Built.read(regular(folder / BUILT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def altered_files(folder: Path) -> list[Path]:
    """Return which files of a study's board are not as they were built; of a board of which that is not known, the
    list that is missing.
    """
    built = read_built(folder)
    if built is None:
        return [folder / BUILT] if (folder / BOARD_JSON).exists() else []
    return list(altered(folder, built.files))


def build_and_write(
    study: Study,
    store: Store,
    *,
    published: bool | None = None,
    figures: bool = False,
    pseudonyms: Path | None = None,
) -> Board:
    """Build a study's board, tables and site from its runs, and write them into its folder. A warning names what in
    there was not as it was built.

    Args:
        study: the study.
        store: its runs.
        published: whether the board in LaTeX has the published values, too; None: as it had them before.
        figures: whether figures for a paper are drawn, too, which takes longer than all the rest; those that there are
            are drawn again in any case.
        pseudonyms: file of the key of the pseudonyms that the site has; None for ids.
    """
    from survbench.evaluation.pseudonyms import pseudonyms_of

    folder = study.folder(store.root)
    before = read_built(folder)
    if changed := altered_files(folder):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        log.warning("%s%s is missing or not as it was built; the board is built again", changed[0], more)
    if published is None:
        published = before is not None and before.published
    with named_if_full(folder):
        named = pseudonyms_of(study, store, pseudonyms)  # before anything is changed: the file may hold no key
        (folder / BUILT).unlink(missing_ok=True)  # until all files are of one board
        board = _write(study, store, named, published=published, figures=figures or (folder / FIGURES).is_dir())
        write_text(folder / BUILT, Built(_origin(study, store, named), published, _built_files(folder)).text())
    return board


def _write(study: Study, store: Store, named: Pseudonyms | None, *, published: bool, figures: bool) -> Board:
    from survbench.evaluation.feature_selection import selections
    from survbench.evaluation.sample import measure
    from survbench.leaderboard.board.build import board_of
    from survbench.leaderboard.paper.tables import tables
    from survbench.leaderboard.site.site import write_site
    from survbench.leaderboard.writers.board_files import write_board
    from survbench.leaderboard.writers.figure_files import paper_charts, write_figures
    from survbench.leaderboard.writers.selection_files import write_selections
    from survbench.leaderboard.writers.table_files import write_tables

    measured, chosen, folder = measure(study, store), selections(study, store), study.folder(store.root)
    board = board_of(study, measured)
    write_board(board, folder, chosen, published=published)
    write_tables(tables(board, study), folder / TABLES)
    write_selections(chosen, folder / SELECTION)
    write_site(study, store, board, measured, chosen, named)
    if figures:
        write_figures(paper_charts(study, store, board, measured), folder / FIGURES)
    return board


def _built_files(folder: Path) -> dict[str, str]:
    """Return the checksums of all files of a study's board."""
    below = (path for name in (TABLES, SELECTION, SITE, FIGURES) for path in (folder / name).rglob("*"))
    return checksums(folder, (path for path in (*folder.glob(f"{BOARD}.*"), *below) if path.is_file()))


def board_if_unchanged(
    study: Study, store: Store, *, checked: frozenset[str], pseudonyms: Path | None = None
) -> Board | None:
    """Return the board as it was built, if nothing that it is made of has changed since; else None. The files of runs
    that the plan has not ``checked``, those of methods that others have added, are looked at here.
    """
    from survbench.evaluation.pseudonyms import pseudonyms_of
    from survbench.leaderboard.writers.board_files import read_board

    folder = study.folder(store.root)
    built = read_built(folder)
    if built is None or altered_files(folder):
        return None
    if built.origin != _origin(study, store, pseudonyms_of(study, store, pseudonyms)):
        return None
    if not all(store.is_done(key) for key in study.run_keys() if key not in checked):
        return None
    try:
        return read_board(folder / BOARD_JSON)
    except (FileNotFoundError, UnreadableError):
        return None


def restore_board(study: Study, store: Store, *, pseudonyms: Path | None = None) -> None:
    """Build a study's board again if one of its files is not as it was built.

    Raises:
        BenchError: that is so, and another process holds the output folder.
    """
    if altered_files(study.folder(store.root)):
        with store.lock():
            build_and_write(study, store, pseudonyms=pseudonyms)


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
