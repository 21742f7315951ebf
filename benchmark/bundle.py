"""A study's runs in four small files, from which its board is made again without fitting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survbench.errors import BenchError
from survbench.store import SCHEMA, SELECTED, Run, Store, write_json
from survbench.study import Study, read_study

BULKY = ("spec", "splits", "test", "train", "training")
"""Of a job, what no board reads."""
KEY = "run"


def pack(study: Study, store: Store, folder: Path) -> None:
    """Write ``study.json``, ``runs.json``, ``predictions.parquet`` and ``curves.parquet`` of a study into a folder.

    Models, logs, tuning, and what a run tells of its machine stay behind.
    """
    import pandas as pd

    runs = [run for key in _keys(study) if (run := store.read(key)) is not None]
    done = [run for run in runs if run.status == "ok"]
    damaged = [run.key for run in done if not store.is_done(run.key)]
    if damaged:
        raise BenchError(f"Runs {', '.join(damaged)} are damaged. 'bench run' makes them again.")
    folder.mkdir(parents=True, exist_ok=True)
    study.write_to(folder)
    write_json(folder / "runs.json", {run.key: _told(run) for run in runs})
    for name, tables in (("predictions", [r.predictions() for r in done]), ("curves", [r.curves() for r in done])):
        named = [table.assign(**{KEY: run.key}) for run, table in zip(done, tables, strict=True)]
        table = pd.concat([t for t in named if len(t)] or named, ignore_index=True)
        table.to_parquet(folder / f"{name}.parquet", compression="zstd")


def unpack(folder: Path, store: Store) -> Study:
    """Store the runs of a packed study, sealed as if they had run there, and return the study, written too.

    Raises:
        BenchError: another version of survbench has packed it.
    """
    import pandas as pd

    study = read_study(folder)
    told: Mapping[str, Mapping[str, Any]] = json.loads((folder / "runs.json").read_text(encoding="utf-8"))
    predictions = dict(list(pd.read_parquet(folder / "predictions.parquet").groupby(KEY)))
    all_curves = pd.read_parquet(folder / "curves.parquet")
    curves = dict(list(all_curves.groupby(KEY)))
    for key, run in told.items():
        job, record = run["job"], {**run["record"], "schema": SCHEMA}
        if record["status"] != "ok":
            store.record_failure(key, job, record, "")
            continue
        with store.writing(key) as part:
            write_json(part / "job.json", job)
            write_json(part / "run.json", record)
            predictions[key].drop(columns=KEY).reset_index(drop=True).to_parquet(part / "predictions.parquet")
            rows = curves.get(key, all_curves[:0])
            rows.drop(columns=KEY).reset_index(drop=True).to_parquet(part / "curves.parquet")
            if run["selected"] is not None:
                write_json(part / SELECTED, run["selected"])
    study.write(store.root)
    return study


def _keys(study: Study) -> list[str]:
    return sorted({key for e in study.entries for seeds in (e.fits, e.predicts) for folds in seeds for key in folds})


def _told(run: Run) -> dict[str, Any]:
    """Return what boards read of a run: an error without its traceback, which names files of a machine."""
    record = {key: value for key, value in run.record.items() if key not in {"provenance", "schema"}}
    if record.get("error"):
        record["error"] = {**record["error"], "traceback": ""}
    job = {key: value for key, value in run.job.items() if key not in BULKY}
    return {"job": job, "record": record, "selected": run.selected()}
