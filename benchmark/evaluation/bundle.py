"""A study's runs in a few small files, from which its board is made again without fitting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.errors import BenchError
from survbench.evaluation.redaction import without_paths
from survbench.io.files import write_json
from survbench.io.layout import LEARNING, SELECTED, Status
from survbench.io.stored import read_stored
from survbench.plan.job import JobKind, job_from_json
from survbench.plan.study import Study, read_study
from survbench.runs.predictions import PREDICTIONS
from survbench.runs.record import RunRecord
from survbench.runs.store import CURVES, Run, Store, no_curves, write_run

if TYPE_CHECKING:
    import pandas as pd

BULKY = {"spec", "splits", "test", "train", "training"}
"""Job fields that no leaderboard uses; a bundle leaves them out."""
KEY = "run"
RUNS_FILE = "runs.json"
WEIGHTS = "selected.parquet"


def pack(study: Study, store: Store, folder: Path) -> None:
    """Write ``study.json``, ``runs.json``, and the predictions, curves and selected features of all runs as one Parquet
    file each into a folder. What fits have made of their training folds stands in ``runs.json``.

    Models, logs, tuning, and what a run tells of its machine stay behind.

    Raises:
        BenchError: a run's files are not as they were written.
    """
    runs = [run for key in _keys(study) if (run := store.read(key)) is not None]
    done = [run for run in runs if run.status == Status.OK]
    damaged = [run.key for run in done if not store.is_done(run.key)]
    if damaged:
        raise BenchError(f"Runs {', '.join(damaged)} are damaged. 'bench run' makes them again.")
    folder.mkdir(parents=True, exist_ok=True)
    study.write_to(folder)
    write_json(folder / RUNS_FILE, {run.key: _told(run) for run in runs})
    _write(folder / PREDICTIONS, {run.key: run.predictions() for run in done})
    _write(folder / CURVES, {run.key: run.curves() for run in done if (run.folder / CURVES).is_file()})
    _write(folder / WEIGHTS, {run.key: _weights(kept) for run in done if (kept := run.selected()) is not None})


def unpack(folder: Path, store: Store) -> Study:
    """Store the runs of a packed study, sealed as if they had run there, and return the study, written too.

    Raises:
        BenchError: another version of survbench has packed it.
    """
    study = read_study(folder)
    told: Mapping[str, Mapping[str, Any]] = read_stored(folder / RUNS_FILE, dict)
    predictions, curves, weights = (_read(folder / name) for name in (PREDICTIONS, CURVES, WEIGHTS))
    for key, run in told.items():
        job = job_from_json({**run["job"], "training": study.profile.training})
        record = RunRecord.model_validate(run["record"])
        if record.status != Status.OK:
            store.record_failure(job, record, "")
            continue
        with store.writing(key) as part:
            write_run(part, job, record)
            predictions[key].to_parquet(part / PREDICTIONS)
            if job.kind != JobKind.PREDICT:
                curves.get(key, no_curves()).to_parquet(part / CURVES)
            if "learning" in run:
                write_json(part / LEARNING, run["learning"])
            if key in weights:
                write_json(part / SELECTED, dict(weights[key].itertuples(index=False)))
    study.write(store.root)
    return study


def _write(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables one below the other, with the key of their run; nothing where there are none."""
    import pandas as pd

    named = [table.assign(**{KEY: key}) for key, table in tables.items() if len(table)]
    if named:
        pd.concat(named, ignore_index=True).to_parquet(path, compression="zstd")


def _read(path: Path) -> dict[str, pd.DataFrame]:
    import pandas as pd

    if not path.is_file():
        return {}
    groups = pd.read_parquet(path).groupby(KEY)
    return {str(key): table.drop(columns=KEY).reset_index(drop=True) for key, table in groups}


def _weights(kept: Mapping[str, float]) -> pd.DataFrame:
    import pandas as pd

    names, weights = zip(*kept.items(), strict=True) if kept else ((), ())
    return pd.DataFrame({"name": pd.array(list(names), dtype="string"), "weight": np.array(weights, dtype=np.float64)})


def _keys(study: Study) -> list[str]:
    return sorted({key for e in study.entries for seeds in (e.fits, e.predicts) for folds in seeds for key in folds})


def _told(run: Run) -> dict[str, Any]:
    """Return what boards read of a run: an error without its traceback and without paths, which name a machine."""
    record = run.record.model_dump(mode="json", exclude={"provenance"})
    if run.record.error is not None:
        record["error"] = {"type": run.record.error.type, "message": without_paths(run.record.error.message)}
    job = run.job.model_dump(mode="json", exclude=BULKY)
    learned = run.learning() if run.status == Status.OK else None
    return {"job": job, "record": record, **({} if learned is None else {"learning": learned})}
