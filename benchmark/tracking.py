"""Projects a study into MLflow: one run per method, below it one per seed and fold and one per search for
hyper-parameters, with its trials.

The run folders stay the truth. A ledger beside them remembers which state of a study was projected where, so projecting
again costs nothing; without it the runs are found again by their tags, and nothing is written twice.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.files import write_json
from survbench.fitted import TUNED, read_tuned
from survbench.hashing import digest, file_digest
from survbench.job import label
from survbench.store import Run, Store
from survbench.study import Entry, Study

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

LEDGER = "tracking.json"
KEY = "survbench.key"
CONTENT = "survbench.content"
BATCH = 900
"""Entities in one request; MLflow takes 1000."""
CELLS = (
    "c_index",
    "c_index_low",
    "c_index_high",
    "external_c_index",
    "external_c_index_low",
    "external_c_index_high",
    "dice",
    "p",
    "p_holm",
    "coverage",
    "seconds",
    "parameters",
)
"""Cells of the leaderboard that become metrics of a method's run."""


class TrackingError(Exception):
    """MLflow cannot be written; nothing else is affected."""


@dataclass(frozen=True, slots=True)
class TrackReport:
    """Where the study was projected to, and how many runs were written and known."""

    uri: str
    new: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """One MLflow run to be: ``key`` identifies it for ever, ``content`` changes when it has to be written again."""

    key: str
    name: str
    content: str
    parent: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[tuple[str, float, int], ...] = ()
    """(name, value, step)"""
    artifacts: tuple[Path, ...] = ()
    figures: tuple[Path, ...] = ()


def default_uri(out: Path) -> str:
    """Return the SQLite file under an output folder as a tracking URI."""
    return f"sqlite:///{out / 'mlflow.db'}"


def ui_command(uri: str, host: str, port: int) -> list[str]:
    """Return the command that serves MLflow's pages for a tracking database."""
    options = ["--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *options]


def ui_environment() -> dict[str, str]:
    """Return the variables under which MLflow's server starts in seconds and calls nobody."""
    return {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def track(
    study: Study, store: Store, out: Path, *, tracking_uri: str | None = None, trust_ledger: bool = True
) -> TrackReport:
    """Write what MLflow does not have yet.

    Args:
        study: whose runs, and whose ``leaderboard.json``, are projected.
        store: the runs.
        out: the output folder; it holds the ledger and, without ``tracking_uri``, the database and artifacts.
        tracking_uri: an MLflow server or database.
        trust_ledger: believe the ledger without asking MLflow.

    Raises:
        TrackingError: MLflow cannot be reached or written.
    """
    uri = tracking_uri or default_uri(out)
    board = study.folder(out) / "leaderboard.json"
    keys = [list(seed) for e in study.entries for seed in (*e.tunes, *e.fits)]
    state = digest([keys, file_digest(board)])
    ledger = _read_ledger(out)
    if trust_ledger and ledger.get(uri, {}).get(study.name) == state:
        return TrackReport(uri, 0, sum(len(seed) for e in study.entries for seed in e.fits))
    records = list(_records(study, store, board))
    try:
        written = _Projection(uri, out, study.name).write(records)
    except Exception as error:  # MLflow and its database drivers raise whatever they like; none of it may end a run
        raise TrackingError(f"{type(error).__name__}: {str(error)[:300]}") from error
    ledger.setdefault(uri, {})[study.name] = state
    write_json(out / LEDGER, ledger)
    return TrackReport(uri, written, len(records) - written)


class _Projection:
    """MLflow's side: an experiment, and the runs in it by our keys."""

    def __init__(self, uri: str, out: Path, experiment: str) -> None:
        # a server that does not answer must not hold up a run for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from mlflow import MlflowClient

        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.client: MlflowClient = MlflowClient(tracking_uri=uri)
        self.experiment = self._experiment(experiment, out if uri == default_uri(out) else None)
        self.runs = self._existing()

    def write(self, records: list[_Record]) -> int:
        """Write the records that are missing or have changed; return how many."""
        written = 0
        for record in records:
            run_id, content = self.runs.get(record.key, ("", ""))
            if content == record.content:
                continue
            if not run_id:
                run_id = self._create(record)
            self._fill(run_id, record)
            self.runs[record.key] = (run_id, record.content)
            written += 1
        return written

    def _experiment(self, name: str, out: Path | None) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = (out / "mlflow-artifacts" / name).as_uri() if out else None
        return str(self.client.create_experiment(name, artifact_location=location))

    def _existing(self) -> dict[str, tuple[str, str]]:
        runs: dict[str, tuple[str, str]] = {}
        token = None
        while True:
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token)
            for run in page:
                tags = run.data.tags
                if KEY in tags:
                    runs[tags[KEY]] = (run.info.run_id, tags.get(CONTENT, ""))
            token = page.token
            if not token:
                return runs

    def _create(self, record: _Record) -> str:
        tags = {**record.tags, KEY: record.key}
        if record.parent is not None:
            tags["mlflow.parentRunId"] = self.runs[record.parent][0]
        run = self.client.create_run(self.experiment, run_name=record.name, tags=tags)
        return str(run.info.run_id)

    def _fill(self, run_id: str, record: _Record) -> None:
        """Write what belongs into a run, and only then the tag that says that it is complete."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in record.metrics]
        params = [Param(name, _word(value)) for name, value in record.params.items()]
        self._log(run_id, metrics, params)
        for path in record.artifacts:
            self.client.log_artifact(run_id, str(path))
        for path in record.figures:
            self.client.log_artifact(run_id, str(path), "figures")
        self.client.set_tag(run_id, CONTENT, record.content)
        self.client.set_terminated(run_id)

    def _log(self, run_id: str, metrics: list[Metric], params: list[Param]) -> None:
        for start in range(0, len(params), 100):
            self.client.log_batch(run_id, params=params[start : start + 100])
        for start in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])


def _records(study: Study, store: Store, board: Path) -> Iterator[_Record]:
    """Yield a record per method that has a complete run, followed by those of its seeds and folds."""
    rows = {r["method"]: r for r in json.loads(board.read_text(encoding="utf-8"))["rows"]}
    for entry in study.entries:
        fits = [
            run
            for of_seed in entry.fits
            for key in of_seed
            if (run := store.read(key)) is not None and run.status == "ok"
        ]
        if not fits:
            continue
        parent = digest([study.name, entry.name])[:32]
        children = [_child(study, entry, run, parent) for run in fits]
        yield _parent(study, entry, rows.get(entry.name, {}), parent, children, board.parent)
        yield from children
        for key in (key for of_seed in entry.tunes for key in of_seed):
            run = store.read(key)
            if run is not None and run.status == "ok":
                yield from _search(study, entry, run, parent)


def _search(study: Study, entry: Entry, run: Run, parent: str) -> Iterator[_Record]:
    """Yield a record of a tuning job, and below it one of each trial."""
    tuned = read_tuned(run.folder)
    key = digest([study.name, run.key])[:32]
    tags = {"survbench.study": study.name, "survbench.method": entry.name, "survbench.run": run.key}
    yield _Record(
        key=key,
        name=label(run.job),  # of a method that builds on another, also the searches for that one
        content=run.key[:16],
        parent=parent,
        params={"method": entry.name, "seed": run.job["seed"], "fold": run.job["fold"], **tuned["best_params"]},
        tags=tags,
        metrics=(
            ("best_score", float(tuned["best_value"]), 0),
            *(("score_of_trial", float(t["value"]), t["number"]) for t in tuned["trials"] if t["value"] is not None),
        ),
        artifacts=(run.folder / TUNED, run.folder / "log.txt"),
    )
    for trial in tuned["trials"]:
        steps = [("score_so_far", float(value), int(step)) for step, value in trial["steps"].items()]
        score = [("score", float(trial["value"]), 0)] if trial["value"] is not None else []
        yield _Record(
            key=digest([key, trial["number"]])[:32],
            name=f"trial {trial['number']} ({trial['state']})",
            content=run.key[:16],
            parent=key,
            params={"method": entry.name, "trial": trial["number"], "state": trial["state"], **trial["params"]},
            tags=tags,
            metrics=(*score, *steps),
        )


def _parent(
    study: Study, entry: Entry, row: Mapping[str, Any], key: str, children: list[_Record], folder: Path
) -> _Record:
    from survbench.leaderboard.page import method_folder

    cells = [(name, float(row[name]), 0) for name in CELLS if row.get(name) is not None]
    # per fold and per step, so that comparing two methods compares their folds and curves without opening them
    of_folds = [
        (f"fold_{name}", value, number)
        for number, child in enumerate(children)
        for name, value, _ in child.metrics
        if name in {"c_index", "dice"}
    ]
    metrics = (*cells, *of_folds, *_mean_curves(children))
    params = {
        "method": entry.name,
        "family": entry.family,
        "cohort": study.cohort["name"],
        "profile": study.profile["name"],
        "seeds": study.protocol["seeds"],
        "folds": len(study.protocol["folds"]),
        "selection": study.protocol["selection"],
        "tuning": study.protocol["tuning"],
        **{f"training.{k}": v for k, v in study.profile["training"].items()},
        **{f"params.{k}": v for k, v in entry.params.items()},
    }
    artifacts = tuple(folder / f"leaderboard.{kind}" for kind in ("html", "json"))
    tags = {"survbench.study": study.name, "survbench.method": entry.name, "mlflow.note.content": entry.title}
    return _Record(
        key=key,
        name=entry.name,
        content=digest([params, [list(m) for m in metrics]])[:16],
        params=params,
        tags=tags,
        metrics=metrics,
        artifacts=artifacts,
        figures=tuple(sorted((folder / "site" / "methods" / method_folder(entry.name)).glob("*.svg"))),
    )


def _mean_curves(children: list[_Record]) -> list[tuple[str, float, int]]:
    values: dict[tuple[str, int], list[float]] = {}
    for child in children:
        for name, value, step in child.metrics:
            if "/" in name:
                values.setdefault((name, step), []).append(value)
    return [(name, float(np.mean(v)), step) for (name, step), v in values.items()]


def _child(study: Study, entry: Entry, run: Run, parent: str) -> _Record:
    from survbench.metrics import concordance_index

    table = run.predictions()
    metrics = [(name, value, 0) for name, value in _costs(run.record)]
    if table["risk"].notna().all():
        c = concordance_index(table["time"], table["event"], table["risk"]).value
        metrics += [("c_index", c, 0)] if np.isfinite(c) else []
    if table["dice"].notna().all():
        metrics.append(("dice", float(table["dice"].mean()), 0))
    curves = run.curves()
    metrics += [
        (f"{split}/{metric}", float(value), int(step))
        for step, split, metric, value in curves.itertuples(index=False)
        if np.isfinite(value)
    ]
    return _Record(
        key=digest([study.name, run.key])[:32],
        name=f"{entry.name} seed {run.job['seed']} fold {run.job['fold']}",
        content=run.key[:16],
        parent=parent,
        params={"method": entry.name, "seed": run.job["seed"], "fold": run.job["fold"], **_params_of(run)},
        tags={"survbench.study": study.name, "survbench.method": entry.name, "survbench.run": run.key},
        metrics=tuple(metrics),
        artifacts=tuple(
            path
            for name in ("run.json", "job.json", "predictions.parquet", "log.txt")
            if (path := run.folder / name).is_file()
        ),
    )


def _costs(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what a fit took of the machine, as far as it is known: nobody knows what imported risks have cost. MLflow
    shows what is named ``system/`` on a page of its own.
    """
    seconds, processor = record.get("seconds"), record.get("cpu_seconds")
    if seconds is not None:
        yield "seconds", float(seconds)
    if seconds and processor is not None:
        yield "system/cpu_utilization_percentage", 100 * processor / seconds
    for name, of in (("peak_memory_mb", "system/"), ("gpu_peak_memory_mb", "system/gpu_")):
        if record.get(name) is not None:
            yield f"{of}peak_memory_megabytes", float(record[name])


def _params_of(run: Run) -> dict[str, Any]:
    """Return the hyper-parameters of a fit, those that tuning chose among them."""
    return {f"params.{name}": value for name, value in run.record["params"].items()}


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:500]


def _read_ledger(out: Path) -> dict[str, dict[str, str]]:
    try:
        ledger: dict[str, dict[str, str]] = json.loads((out / LEDGER).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return ledger
