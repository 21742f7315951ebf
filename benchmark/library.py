"""The library: what ``bench run`` and ``bench compare`` do, for scripts and notebooks.

Nothing here prints to standard output or ends the process; what the user gave wrong raises a
:class:`survbench.errors.BenchError`, and the checks of the cohorts are warnings of :mod:`logging`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.errors import BenchError
from survbench.results import ComparedMethods, Leaderboard, StudyResults

if TYPE_CHECKING:
    from survbench.actions.request import Device, Request
    from survbench.actions.run import Result
    from survbench.actions.verify import Verified
    from survbench.api import Selection, Tuning

DEFAULT_OUT = "bench-results"

_running = threading.Lock()
"""Runs that several threads start follow one another: each uses all workers, and sets the process's environment."""


def run(
    methods: str | Sequence[str] = "all",
    cohort: str | Path = "phantom",
    *,
    data: str | Path | None = None,
    external: str | Path | None = None,
    profile: str | Path = "quick",
    ignore: str | Sequence[str] | None = None,
    splits: str | Path | None = None,
    selection: Selection = "last",
    tune: Tuning = "none",
    seeds: int = 1,
    workers: int | None = None,
    out: str | Path = DEFAULT_OUT,
    device: Device = "auto",
    executor: str = "local",
    fresh: bool = False,
    skip_bad: bool = False,
    tracking_uri: str | None = None,
    pseudonyms: str | Path | None = None,
    progress: bool = False,
) -> StudyResults:
    """Run methods on a cohort, as ``bench run`` does: jobs that are done are not run again, an interrupted run goes on
    where it was stopped, and MLflow is brought up to date.

    A method whose jobs fail takes no other down: its row has another ``status`` than ``ok``. Runs that several threads
    start follow one another.

    Args:
        methods: ``"all"``, names and groups (``"volume,@radiomics,-tlg"``), or a list of such.
        cohort: a named cohort, a folder with ``cohort.yaml``, or a card file.
        data: folder of a named cohort's data.
        external: external test cohort, named or a path.
        profile: ``"smoke"``, ``"quick"``, ``"standard"``, ``"lab"``, ``"paper"``, or a YAML file.
        ignore: codes of findings to go on in spite of; the board says so.
        splits: your own folds, JSON or CSV.
        selection: checkpoint of networks: ``"last"``, ``"inner"`` or ``"paper"``.
        tune: hyper-parameters: ``"none"``, ``"paper"`` or ``"nested"``.
        seeds: seeds per stochastic method.
        workers: processes at once; one per core by default.
        out: output folder.
        device: where networks train.
        executor: where jobs run: ``"local"``, ``"ray"`` for the cluster that this machine belongs to, or
            ``"ray://HOST:PORT"``.
        fresh: run everything again, also what is done.
        skip_bad: go on without patients that have problems.
        tracking_uri: MLflow server; a file in ``out`` by default.
        pseudonyms: file of a key, made if it is not there, of the pseudonyms that replace patients' ids on the site and
            in MLflow; ids by default.
        progress: show on standard error what ``bench run`` shows.

    Raises:
        BenchError: an option has a value that it cannot have, or a cohort cannot be used; the message says what to do.
    """
    from survbench.actions.arguments import text
    from survbench.actions.request import request_of
    from survbench.actions.track import track_if_possible
    from survbench.plan import code_key

    if tracking_uri is not None:
        text("tracking_uri", tracking_uri, "the address of an MLflow server, as text")
    request = request_of(
        methods=methods,
        cohort=cohort,
        data=data,
        external=external,
        profile=profile,
        ignore=ignore,
        splits=splits,
        selection=selection,
        tune=tune,
        seeds=seeds,
        workers=workers,
        out=out,
        device=device,
        executor=executor,
        fresh=fresh,
        skip_bad=skip_bad,
        pseudonyms=pseudonyms,
    )
    with _running:
        code_key.clear()  # a session outlives edits of a method: the next run has to see them
        result = _watched(request, progress=progress)
        track_if_possible(result.study, request.out, tracking_uri=tracking_uri, pseudonyms=request.pseudonyms)
    return load_study(result.study.folder(request.out))


def load_study(path: str | Path = DEFAULT_OUT) -> StudyResults:
    """Return a study with its board as they are stored.

    Args:
        path: a study's folder, an output folder, of which the latest study is meant, or a pack.

    Raises:
        BenchError: there is no study, its board has not been built by this version, or the pack was changed.
    """
    from survbench.actions.arguments import absolute
    from survbench.actions.build import altered_files
    from survbench.io.packs import opened
    from survbench.io.stored import UnreadableError
    from survbench.io.study_files import BOARD_JSON
    from survbench.leaderboard.writers.board_files import read_board
    from survbench.plan.study import STUDY, latest_study, read_study, study_folders

    folder = opened(absolute("path", path))
    if not (folder / STUDY).is_file():
        if not study_folders(folder):
            raise BenchError(
                f"There is no study under {folder}. Give an output folder, or the folder of a study in it "
                "(OUT/studies/NAME)."
            )
        folder = latest_study(folder).folder(folder)
    study = read_study(folder)
    try:
        board = read_board(folder / BOARD_JSON)
        if folder / BOARD_JSON in altered_files(folder):
            raise UnreadableError(f"{folder / BOARD_JSON} was changed after it was built.")
    except (FileNotFoundError, UnreadableError) as error:
        what = error if isinstance(error, UnreadableError) else f"{folder} holds no leaderboard."
        raise BenchError(
            f"{what} Build it from what is done with 'bench study board {study.name} --out {folder.parents[1]}'."
        ) from error
    return StudyResults(study.name, folder, Leaderboard(board))


def verify(path: str | Path = DEFAULT_OUT) -> Verified:
    """Check that what is stored of studies is as it was written, and score their boards again, as
    ``bench study verify`` does. Nothing is changed.

    Args:
        path: a pack, an output folder, of which all studies are meant, a study's folder, or a file in one.

    Raises:
        BenchError: there is no study, or another process writes to the output folder.
    """
    from survbench.actions import verify as checking
    from survbench.actions.arguments import absolute

    folder = absolute("path", path)
    return checking.verify(folder, str(folder))


def compare(study: StudyResults, a: str, b: str) -> ComparedMethods:
    """Compare two methods on the same patients, as ``bench compare A B`` does.

    Args:
        study: where the methods are.
        a: a method; ``METHOD@STUDY`` takes it from another study of the same output folder, or from the pack or output
            folder of which STUDY is the path.
        b: the other one, alike.

    Raises:
        BenchError: a method is not there or not complete, or the two cannot be compared.
    """
    from survbench.actions.arguments import text
    from survbench.actions.compare import compare_stored
    from survbench.io.study_files import STUDIES

    if not isinstance(study, StudyResults):
        raise BenchError(f"study is of type {type(study).__name__}; it must be what sb.run or sb.load_study returns.")
    for argument, method in (("a", a), ("b", b)):
        text(argument, method, "the name of a method, as text")
    out = study.folder.parents[1]
    if study.folder != out / STUDIES / study.name:
        raise BenchError(
            f"{study.folder} lies outside an output folder, without the runs that a comparison reads. Load the study "
            f"from OUT/studies/{study.name}."
        )
    return ComparedMethods(compare_stored(a, b, out, study.name).result)


def _watched(request: Request, *, progress: bool) -> Result:
    from survbench.actions.run import run_study
    from survbench.actions.watcher import Silent

    if not progress:
        return run_study(request, Silent())
    from survbench.cli.progress import watching

    with watching(request.at_once, request.out, to_stderr=True) as watcher:
        return run_study(request, watcher)
