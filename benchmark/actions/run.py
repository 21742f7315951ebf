"""One run: prepare, plan, execute what is not done, build the board."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.actions.build import board_if_unchanged, build_and_write
from survbench.actions.execution import execute_planned
from survbench.actions.planned import Planned
from survbench.actions.planning import (
    count_unprepared,
    entries_still_valid,
    open_request,
    plan_study,
    prepare_cohorts,
)
from survbench.actions.request import Request
from survbench.actions.study_cohort import write_study_cohort
from survbench.actions.study_description import described_patients
from survbench.actions.watcher import Watcher
from survbench.api import MethodInfo
from survbench.datasets.cohorts.opened import Cohorts
from survbench.io.stored import UnreadableError
from survbench.io.study_files import BOARD_JSON, SPLITS
from survbench.plan.job import PlannedJob
from survbench.plan.protocol import write_splits
from survbench.plan.study import STUDY, Study, read_study
from survbench.runs.store import Store

if TYPE_CHECKING:
    from survbench.leaderboard.board.rows import Board

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished run."""

    study: Study
    board: Board
    failed: tuple[PlannedJob, ...]


def run_study(request: Request, watcher: Watcher) -> Result:
    """Run everything that is not done and return the board.

    Raises:
        BenchError: something that the user gave cannot be used; nothing has been lost.
    """
    store = Store(request.out)
    with store.lock():
        store.clear_leftovers()
        cohorts, infos = open_request(request)
        planned = _prepared_plan(cohorts, infos, request, store, watcher)
        folder = planned.study.folder(request.out)
        earlier = _earlier(folder)
        study = replace(
            planned.study,
            entries=(
                *planned.study.entries,
                *entries_still_valid(cohorts, request, planned, earlier.entries if earlier else ()),
            ),
            patients=described_patients(cohorts, earlier),
        )
        study.write(request.out)
        write_splits(folder / SPLITS, study.protocol.folds)
        write_study_cohort(study, request.out, cohorts.sources[0], planned.rows)
        if request.fresh:
            store.clear_scratch(job.key for job in planned.to_do)
        failed = execute_planned(planned, store, request, watcher)
        board = None
        if not planned.to_do:
            board = board_if_unchanged(study, store, checked=planned.cached, pseudonyms=request.pseudonyms)
        board = board or build_and_write(study, store, pseudonyms=request.pseudonyms)
        return Result(study=study, board=board, failed=tuple(failed))


def _earlier(folder: Path) -> Study | None:
    """Return the study as the last run has left it, or None: before the first run, and where it cannot be read, since a
    run knows all of it but the methods of other runs.
    """
    try:
        return read_study(folder)
    except (FileNotFoundError, UnreadableError) as error:
        lost = f"{folder / STUDY} is missing." if isinstance(error, FileNotFoundError) else str(error)
        if (folder / STUDY).exists() or (folder / BOARD_JSON).exists():
            log.warning(
                "%s The study is planned afresh. Methods of other runs leave the board; name them in a run to have "
                "them back from what is stored.",
                lost,
            )
        return None


def _prepared_plan(
    cohorts: Cohorts, infos: Sequence[MethodInfo], request: Request, store: Store, watcher: Watcher
) -> Planned:
    """Tell the plan, prepare the cohorts, and return the plan. Whoever leaves bad patients out hears of it afterwards,
    since only preparing shows who they are.
    """
    waiting = 0 if request.skip_bad else count_unprepared(cohorts, request)
    expected = plan_study(cohorts, infos, request, store, write=False) if waiting else None
    if expected is not None:
        watcher.planned(replace(expected, to_prepare=waiting))
    findings = prepare_cohorts(cohorts, request, watcher)
    planned = plan_study(cohorts, infos, request, store)
    planned = replace(planned, study=replace(planned.study, findings=findings))
    if expected is None or planned.plan != expected.plan:
        watcher.planned(planned)
    return planned
