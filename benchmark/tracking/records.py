"""What MLflow is to hold of a study, as plain values: a record per method, below it one per job and trial, and one for
the board. :mod:`survbench.tracking.mlflow_writer` writes them.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from survbench.evaluation.learning import VERDICTS, Verdicts, learning_of
from survbench.evaluation.pseudonyms import Pseudonyms
from survbench.findings import Stated
from survbench.io.files import files_below
from survbench.io.hashing import digest, file_digest
from survbench.io.layout import LEARNING, TUNED, Status
from survbench.io.study_files import BOARD_CSV, BOARD_HTML, BOARD_JSON, BOARD_MD, SITE, TABLES
from survbench.plan.job import TuneJob
from survbench.plan.study import Entry, Study
from survbench.runs.predictions import PREDICTIONS
from survbench.runs.record import RunError, RunRecord
from survbench.runs.store import DONE, JOB, LOG, RECORD, Run, Store
from survbench.work.tuned import Tuned, read_tuned

if TYPE_CHECKING:
    from survbench.leaderboard.board.rows import Row

PROJECTION = 2
"""Raise it when records of unchanged runs change: all of them are then written again, once."""
METHOD = "survbench.method"
"""Tag with the method that a run belongs to; the run of the board has none."""
KIND = "survbench.kind"
"""Tag that tells runs apart: ``board``, ``method``, ``trial``, or the kind of a job (``fit``, ``tune``, ...)."""
VERDICT = "survbench.verdict"
"""Tag of a fit that says whether it has learned."""
JOB_FILES = (RECORD, JOB, PREDICTIONS, LEARNING, TUNED, LOG)
"""Files of a job's folder that become artifacts, where it has them."""
BOARD_FILES = (BOARD_HTML, BOARD_MD, BOARD_CSV, BOARD_JSON, f"{TABLES}/**/*", f"{SITE}/**/*")
NOTE = f"The board of this study: {BOARD_HTML} under Artifacts. Its tables and its site lie beside it."

Metrics = tuple[tuple[str, float, int], ...]
"""(name, value, step)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One MLflow run to be.

    Attributes:
        key: identifies it for ever.
        parent: key of the record below which it hangs.
        start, end: in milliseconds since 1970.
        artifacts: files by their path in MLflow.
    """

    key: str
    name: str
    start: int
    end: int
    parent: str | None = None
    status: Literal["FINISHED", "FAILED"] = "FINISHED"
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Metrics = ()
    artifacts: Mapping[str, Path] = field(default_factory=dict)

    def content(self) -> str:
        """Hash all that a record says but its times, which follow from its files, and which copying them may change."""
        files = {name: file_digest(path) for name, path in self.artifacts.items()}
        said = [self.name, self.parent, self.status, self.words(), dict(self.tags), self.metrics, files]
        return digest([PROJECTION, *said])[:32]

    def words(self) -> dict[str, str]:
        """Return the params as MLflow keeps them."""
        texts = {k: v if isinstance(v, str) else json.dumps(v, default=str) for k, v in self.params.items()}
        return {name: text[:500] for name, text in texts.items()}


def state(study: Study, store: Store, folder: Path) -> str:
    """Hash all that the records of a study are made of, in less time than making them takes."""
    of_runs = (store.folder(key) / name for key in study.run_keys() for name in (RECORD, LOG, DONE))
    files: dict[str, str] = {}
    for path in chain(of_runs, files_below(folder)):
        with suppress(FileNotFoundError):  # another run may be building the board
            if path.is_file():
                files[str(path)] = file_digest(path)
    return digest([PROJECTION, study.to_json(), files])


def records(study: Study, store: Store, folder: Path) -> Iterator[Record]:
    """Yield the record of each method of which a job has ended, followed by those of its jobs and trials, so that every
    parent comes before its children; and that of the board, if there is one.

    Args:
        study: what is projected.
        store: its runs.
        folder: its folder, with the board.
    """
    from survbench.leaderboard.writers.board_files import read_board

    path, starts = folder / BOARD_JSON, []
    board = read_board(path) if path.is_file() else None  # stopped in its first run
    rows = {} if board is None else {row.method: row for row in board.rows}
    runs = {entry.name: _runs(entry, store) for entry in study.entries}
    owners = _owners(runs)
    for entry in study.entries:
        if not runs[entry.name]:
            continue
        parent = digest([study.name, entry.name])[:32]
        children = {run.key: _job(study, entry, run, parent) for run in runs[entry.name]}
        method = _method(study, entry, rows.get(entry.name), parent, children, folder)
        starts.append(method.start)
        yield method
        for run in runs[entry.name]:
            if owners[run.key] != entry.name:
                continue
            yield children[run.key]
            if isinstance(run.job, TuneJob) and run.status == Status.OK:
                yield from _trials(entry, run, children[run.key])
    if board is not None:
        yield _board(study, folder, starts, board.findings)


def with_pseudonyms(record: Record, pseudonyms: Pseudonyms, folder: Path, copies: Path) -> Record:
    """Return a record that names no patient. A site, or a figure of it, that was built with ids is left out, since
    nothing tells a short id on a page from another number.

    Args:
        record: as :func:`records` makes it.
        pseudonyms: of the study's patients.
        folder: of the study.
        copies: an empty folder, or one with copies of other records.
    """
    from survbench.leaderboard.site.site import NAMED

    mark = folder / SITE / NAMED
    built = mark.is_file() and mark.read_text(encoding="ascii").strip() == pseudonyms.fingerprint
    artifacts: dict[str, Path] = {}
    for name, path in record.artifacts.items():
        if path.is_relative_to(folder / SITE):
            artifacts |= {name: path} if built else {}
        else:
            artifacts[name] = copies / record.key / name
            artifacts[name].parent.mkdir(parents=True, exist_ok=True)
            artifacts[name].write_bytes(pseudonyms.content(path))
    tags = {name: pseudonyms.text(text) for name, text in record.tags.items()}
    return replace(record, tags=tags, artifacts=artifacts)


def _runs(entry: Entry, store: Store) -> list[Run]:
    """Return the runs of a method that are shown: all but predictions of the external cohort that went well, which are
    on the board, or that were skipped, which have not failed by themselves. A run whose files were changed is named in
    a warning and not shown.
    """
    outside = set(chain(*entry.predicts))
    read = [run for key in entry.keys if (run := store.read(key)) is not None]
    found = [run for run in read if run.status != Status.OK or store.is_done(run.key)]
    return [run for run in found if run.key not in outside or run.status not in {Status.OK, Status.SKIPPED}]


def _owners(runs: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Return below which method each run stands: the search for a method that others build on belongs to all of them,
    and stands below that method if it is in the study, else below the first of them.
    """
    owners: dict[str, str] = {}
    for name, of_method in runs.items():
        for run in of_method:
            if run.key not in owners or run.job.method == name:
                owners[run.key] = name
    return owners


def _board(study: Study, folder: Path, starts: list[int], findings: Sequence[Stated]) -> Record:
    """Return the record of the board: without metrics, so that charts of all runs show methods alone. It starts with
    the first fit, and so comes last in MLflow's list, behind the runs that MLflow draws at first.
    """
    built = _milliseconds(folder / BOARD_JSON)
    files = [path for pattern in BOARD_FILES for path in sorted(folder.glob(pattern)) if path.is_file()]
    params = {
        **_setting(study),
        "cohort.patients": study.cohort.patients,
        "cohort.events": study.cohort.events,
        "cohort.fingerprint": study.cohort.fingerprint,
        "external": study.external.name if study.external else "none",
        "folds.fingerprint": study.protocol.fingerprint,
        "reference": study.protocol.reference,
    }
    said: dict[str, str] = {}
    for finding in findings:
        name = f"finding.{finding.code}"
        said[name] = "\n".join(filter(None, (said.get(name), finding.text)))
    return Record(
        key=digest([study.name])[:32],
        name="leaderboard",
        start=min([built, *starts]),
        end=built,
        params=params,
        tags={"survbench.study": study.name, KIND: "board", "mlflow.note.content": NOTE, **said},
        artifacts={path.relative_to(folder).as_posix(): path for path in files},
    )


def _method(
    study: Study, entry: Entry, row: Row | None, key: str, children: Mapping[str, Record], folder: Path
) -> Record:
    from survbench.leaderboard.board.row_json import row_json
    from survbench.leaderboard.site.pages import method_folder
    from survbench.leaderboard.text.columns import Place, of

    fits = [children.get(fit) for fit in chain(*entry.fits)]
    done = [(number, fit) for number, fit in enumerate(fits) if fit is not None and fit.status == "FINISHED"]
    values = {} if row is None else row_json(row)
    logged = (key for column in of(Place.MLFLOW) for key in column.keys)
    cells = [(key, float(values[key]), 0) for key in logged if values.get(key) is not None]
    # per fold and per step, so that comparing two methods compares their folds and curves without opening them
    of_folds = [
        (f"fold_{name}", value, number)
        for number, fit in done
        for name, value, _ in fit.metrics
        if name in {"c_index", "dice"}
    ]
    # never the mean of what happens to exist
    curves = _mean_curves([fit for _, fit in done]) if len(done) == len(fits) else []
    figures = sorted((folder / SITE / "methods" / method_folder(entry.name)).glob("*.svg"))
    return Record(
        key=key,
        name=entry.name,
        start=min(child.start for child in children.values()),
        end=max(child.end for child in children.values()),
        status="FINISHED" if all(child.status == "FINISHED" for child in children.values()) else "FAILED",
        params={
            "method": entry.name,
            "family": entry.family,
            "group": entry.group,
            **_setting(study),
            **{f"params.{name}": value for name, value in entry.params.items()},
            **_in_all([fit.params for _, fit in done]),
        },
        tags={
            "survbench.study": study.name,
            METHOD: entry.name,
            KIND: "method",
            "mlflow.note.content": entry.title,
        },
        metrics=(*cells, *_shares(None if row is None else row.learning), *of_folds, *curves),
        artifacts={f"figures/{path.name}": path for path in figures},
    )


def _shares(count: Verdicts | None) -> Iterator[tuple[str, float, int]]:
    """Yield the share of a method's fits that has each verdict on whether it has learned."""
    if count is None:
        return
    for verdict, name in VERDICTS.items():
        yield f"share_{name}", count.of(verdict) / count.fits, 0


def _in_all(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the hyper-parameters that all fits have in common."""
    first = fits[0] if fits else {}
    return {
        name: value
        for name, value in first.items()
        if name.startswith("params.") and all(fit.get(name) == value for fit in fits)
    }


def _setting(study: Study) -> dict[str, Any]:
    return {
        "cohort": study.cohort.name,
        "profile": study.profile.name,
        "seeds": study.protocol.seeds,
        "folds": len(study.protocol.folds),
        "selection": study.protocol.selection,
        "tuning": study.protocol.tuning,
        **dict(_flat("training", study.profile.training.model_dump(mode="json"))),
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a nested block by their dotted names."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for inner, part in value.items():
        yield from _flat(f"{name}.{inner}", part)


def _mean_curves(fits: list[Record]) -> list[tuple[str, float, int]]:
    values: dict[tuple[str, int], list[float]] = {}
    for fit in fits:
        for name, value, step in fit.metrics:
            if "/" in name:
                values.setdefault((name, step), []).append(value)
    return [(name, float(np.mean(v)), step) for (name, step), v in values.items()]


def _job(study: Study, entry: Entry, run: Run, parent: str) -> Record:
    """Return the record of a job: how it ended and, if it went well, what it has found."""
    tags = {
        "survbench.study": study.name,
        METHOD: entry.name,
        KIND: str(run.job.kind),
        "survbench.run": run.key,
        "survbench.status": run.status,
    }
    params: dict[str, Any] = {"method": entry.name, "seed": run.job.seed, "fold": run.job.fold}
    metrics: Metrics = ()
    if run.status != Status.OK:
        error = run.record.error or RunError(type="", message="")
        tags |= {"survbench.error": error.type, "survbench.message": error.message[:500]}
    elif isinstance(run.job, TuneJob):
        tuned = read_tuned(run.folder)
        params, metrics = params | dict(tuned.best.params), _search_metrics(tuned)
    else:
        used = run.settings
        params |= {f"params.{name}": value for name, value in used.items()}
        metrics = _fit_metrics(run)
        learned = learning_of(run)
        tags |= {} if learned is None or learned.verdict is None else {VERDICT: learned.verdict}
    end = _milliseconds(run.folder / RECORD)
    return Record(
        key=digest([study.name, run.key])[:32],
        name=run.job.label,  # of a method that builds on another, also the searches for that one
        start=end - round(1000 * (run.record.seconds or 0)),
        end=end,
        parent=parent,
        status="FINISHED" if run.status == Status.OK else "FAILED",
        params=params,
        tags=tags,
        metrics=metrics,
        artifacts={name: run.folder / name for name in JOB_FILES if (run.folder / name).is_file()},
    )


def _search_metrics(tuned: Tuned) -> Metrics:
    scores = [("score_of_trial", t.value, t.number) for t in tuned.trials if t.value is not None]
    return (("best_score", max(value for _, value, _ in scores), 0), *scores)


def _trials(entry: Entry, run: Run, search: Record) -> Iterator[Record]:
    """Yield a record of each trial of a search. Nobody has timed them: they stand where the search ended."""
    for trial in read_tuned(run.folder).trials:
        steps = [("score_so_far", value, int(step)) for step, value in trial.steps.items()]
        score = [("score", trial.value, 0)] if trial.value is not None else []
        yield Record(
            key=digest([search.key, trial.number])[:32],
            name=f"trial {trial.number} ({trial.state})",
            start=search.end,
            end=search.end,
            parent=search.key,
            params={"method": entry.name, "trial": trial.number, "state": trial.state, **trial.params},
            tags={**search.tags, KIND: "trial"},
            metrics=(*score, *steps),
        )


def _fit_metrics(run: Run) -> Metrics:
    from survbench.statistics.metrics import concordance_index

    table = run.predictions()
    metrics = [(name, value, 0) for name, value in _costs(run.record)]
    if table["risk"].notna().all():
        c = concordance_index(table["time"], table["event"], table["risk"]).value
        metrics += [("c_index", c, 0)] if np.isfinite(c) else []
    metrics += [
        (f"training_{name}", float(value), 0)
        for name, value in (run.learning() or {}).items()
        if isinstance(value, int | float)
    ]
    if table["dice"].notna().all():
        metrics.append(("dice", float(table["dice"].mean()), 0))
    metrics += [
        (_metric_name(f"{split}/{metric}"), float(value), int(step))
        for step, split, metric, value in run.curves().itertuples(index=False)
        if np.isfinite(value)
    ]
    return tuple(metrics)


def _metric_name(name: str) -> str:
    """Return a name that MLflow takes; what a method calls its losses is its own affair."""
    return posixpath.normpath(re.sub(r"[^\w./ :-]", "_", name))[:250]


def _costs(record: RunRecord) -> Iterator[tuple[str, float]]:
    """Yield what a fit took of the machine, as far as it is known: nobody knows what imported risks have cost. MLflow
    shows what is named ``system/`` on a page of its own.
    """
    seconds, processor = record.seconds, record.cpu_seconds
    if seconds is not None:
        yield "seconds", float(seconds)
    if seconds and processor is not None:
        yield "system/cpu_utilization_percentage", 100 * processor / seconds
    for memory, of in ((record.peak_memory_mb, "system/"), (record.gpu_peak_memory_mb, "system/gpu_")):
        if memory is not None:
            yield f"{of}peak_memory_megabytes", float(memory)


def _milliseconds(path: Path) -> int:
    """Return when a file was written. Run folders hold no other time, so that equal runs are equal files."""
    return path.stat().st_mtime_ns // 1_000_000
