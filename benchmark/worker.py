"""What happens inside a job's process: open the inputs, let the method work, check and store what it says."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS, Context, Method, Seeds
from survbench.calibration import RiskCalibration, read_calibration
from survbench.cohort import Cohort, FeatureTable, Subject, UnlabelledCohort
from survbench.examples import PATIENTS, Examples
from survbench.files import write_json
from survbench.fitted import fitted_method, read_tuned
from survbench.job import Job
from survbench.metrics import dice, hd95
from survbench.monitor import CurveRow, FileMonitor, score
from survbench.prepared import PreparedCohort, volume_store, write_radiomics
from survbench.profile import Training
from survbench.protocol import inner_split
from survbench.provenance import provenance
from survbench.registry import construct, settings
from survbench.store import SCHEMA, SELECTED, Store
from survbench.volume import Volume

if TYPE_CHECKING:
    from survbench.datasets.preprocess import Grid, Point
    from survbench.features.feature_sets import FeatureSet

LOG_LIMIT_BYTES = 1_000_000


class BadPredictionError(Exception):
    """A method predicted something that is no risk, survival curve or mask."""


def run_fit(job: Job, out: str) -> dict[str, Any]:
    """Fit a method on a training fold, predict its test fold, and seal the run.

    Returns:
        The run's record (also in ``run.json``).
    """
    store, spec = Store(Path(out)), job["spec"]
    prepared = PreparedCohort(store.root, job["cohort"])
    scratch = store.scratch(job["key"])
    with store.writing(job["key"]) as folder, logged(scratch / "log.txt", folder / "log.txt"):
        limit_threads(job["threads"])
        train = labelled(job["train"], job, job["upstream"], store, prepared)
        test = inputs(job["test"], job, job["upstream"], store, prepared)
        params = {**spec["params"], **tuned_params(store, job["tune"])}
        validation = None
        if spec["selection"] == "paper":
            validation = labelled(job["test"], job, job["upstream"], store, prepared)
        elif spec["selection"] == "inner":
            kept, held_out = inner_split(train)
            train, validation = train.take(kept), train.take(held_out)
        curves = Curves(scratch / "progress.txt", total=job["training"]["steps"])
        ctx = Context(
            seeds=Seeds(spec["seed"], spec["fold"], spec["method"]),
            training=Training.model_validate(job["training"]),
            device=spec["device"],
            threads=job["threads"],
            selection=spec["selection"],
            scratch=scratch,
            deadline=time.monotonic() + job["timeout_s"],
            monitor=FileMonitor(test, scratch / "monitor"),
            report=curves.report,
        )
        started = time.perf_counter()
        method = construct(spec["target"], params).fit(train, validation=validation, ctx=ctx)
        fitted = time.perf_counter()
        predicted = predict(method, test, job["gives"])
        finished = time.perf_counter()
        unseen = validation.ids if spec["selection"] == "inner" and validation is not None else ()
        _calibrate(method, unseen if job["needs_fit"] else job["train"], job, store, prepared, folder)
        survival = _with_curves(predicted, folder)
        (folder / "model").mkdir()
        method.save(folder / "model")
        _write_selected(folder, method, train)
        masks = _masks(prepared, job["test"]) if "segmentation" in job["gives"] else None
        examples = _examples(predicted, masks, prepared, job["test"])
        _write_predictions(folder, job, prepared, predicted, masks, role="test")
        examples.write(folder)
        time_, event = prepared.outcomes(job["test"])
        manual = None if masks is None else [np.asarray(m.voxels(), dtype=bool) for m in masks]
        curves.extend(score(scratch / "monitor", time_, event, manual))
        curves.write(folder / "curves.parquet")
        return finish(
            folder,
            job,
            started,
            fitted,
            finished,
            params=params,
            settings=settings(method, params),
            survival=survival,
            description=_description(method),
        )


def run_predict(job: Job, out: str) -> dict[str, Any]:
    """Load a fitted model, predict an external cohort, and seal the run."""
    store = Store(Path(out))
    prepared = PreparedCohort(store.root, job["cohort"])
    with store.writing(job["key"]) as folder, logged(store.scratch(job["key"]) / "log.txt", folder / "log.txt"):
        limit_threads(job["threads"])
        test = inputs(job["test"], job, job["upstream"], store, prepared)
        started = time.perf_counter()
        method = fitted_method(store, job["fit"], device=job["device"])
        predicted = predict(method, test, job["gives"])
        finished = time.perf_counter()
        survival = _with_curves(predicted, store.folder(job["fit"]))
        masks = _masks(prepared, job["test"]) if "segmentation" in job["gives"] else None
        _write_predictions(folder, job, prepared, predicted, masks, role=f"external:{job['cohort_name']}")
        return finish(folder, job, started, started, finished, survival=survival)


def _calibrate(
    method: Any, unseen: Sequence[str], job: Job, store: Store, prepared: PreparedCohort, folder: Path
) -> None:
    """Keep what turns risks into survival curves, where the method gives none and there are patients whom it has not
    seen: those held out to select, or, of a method that learns nothing, the training fold.
    """
    if "survival" in job["gives"] or "risk" not in job["gives"] or not unseen:
        return
    risk = predict(method, inputs(unseen, job, job["upstream"], store, prepared), ("risk",)).risk
    calibration = None if risk is None else RiskCalibration.fit(risk, *prepared.outcomes(unseen))
    if calibration is not None:
        calibration.write(folder)


def _with_curves(predicted: Predicted, fit: Path) -> str:
    """Add calibrated curves to risks without curves, where the fit in ``fit`` has kept how; say where curves are from:
    ``predicted``, ``calibrated`` or ``none``.
    """
    if predicted.survival is not None:
        return "predicted"
    calibration = read_calibration(fit)
    if calibration is None or predicted.risk is None:
        return "none"
    predicted.survival = calibration.survival(predicted.risk, SURVIVAL_MONTHS)
    return "calibrated"


def labelled(
    ids: Sequence[str], job: Job, upstream: Mapping[str, Any] | None, store: Store, prepared: PreparedCohort
) -> Cohort:
    """Return patients with outcomes and what the method needs to fit, upstream features included."""
    cohort = prepared.labelled(ids, job["needs_fit"])
    return cohort if upstream is None else replace(cohort, features=_above(ids, upstream, store, prepared))


def inputs(
    ids: Sequence[str], job: Job, upstream: Mapping[str, Any] | None, store: Store, prepared: PreparedCohort
) -> UnlabelledCohort:
    """Return patients with what the method needs to predict, upstream features included."""
    cohort = prepared.inputs(ids, job["needs_predict"])
    return cohort if upstream is None else replace(cohort, features=_above(ids, upstream, store, prepared))


def tuned_params(store: Store, key: str | None) -> dict[str, Any]:
    """Return the hyper-parameters that a tuning job has chosen; none without one."""
    if key is None:
        return {}
    if not store.is_done(key):
        message = f"{store.folder(key)} is damaged; run 'bench run' again to tune again"
        raise OSError(message)
    tuned: dict[str, Any] = read_tuned(store.folder(key))["best_params"]
    return tuned


def _above(ids: Sequence[str], upstream: Mapping[str, Any], store: Store, prepared: PreparedCohort) -> FeatureTable:
    method = fitted_method(store, upstream["key"], device="cpu")
    return deep_features(method, prepared.inputs(ids, upstream["needs_predict"]))


def deep_features(method: Any, cohort: UnlabelledCohort) -> FeatureTable:
    """Return what a method's ``embed`` gives as a table: ``deep_000``, ``deep_001``, ...

    Raises:
        BadPredictionError: wrong shape, or not finite.
    """
    values = np.asarray(method.embed(cohort), dtype=np.float64)
    if values.ndim != 2 or len(values) != len(cohort) or not np.isfinite(values).all():
        raise BadPredictionError(f"embed gave shape {values.shape}, or values that are not finite")
    return FeatureTable(tuple(f"deep_{n:03d}" for n in range(values.shape[1])), values)


def prepare(
    subjects: Sequence[tuple[Subject, Point]],
    names: Sequence[str],
    grid: Grid,
    feature_set: FeatureSet | None,
    radiomics: Mapping[str, str],
    out: str,
) -> dict[str, str]:
    """Preprocess some patients' volumes and extract radiomics where asked for.

    Args:
        subjects: patients with native volumes, each with the point on which its grid is centred.
        names: volumes to prepare: channels, and ``mask`` where there is one.
        grid: the common grid.
        feature_set: which radiomics to extract.
        radiomics: key under which to store a patient's features, by id; patients without one get none.
        out: the output folder.

    Returns:
        What is wrong, by id, of patients that could not be prepared.

    Raises:
        OSError, MemoryError: the machine's fault; what is done is kept.
    """
    from survbench.datasets.preprocess import prepare_subject

    limit_threads(1)
    root, problems = Path(out), {}
    store = volume_store(root)
    for subject, centre in subjects:
        try:
            keys = prepare_subject(subject, names, grid, centre, store)
            if feature_set is not None and subject.id in radiomics:
                from survbench.features.radiomics import extract

                volumes = {name: store.open(key) for name, key in keys.items()}
                write_radiomics(root, radiomics[subject.id], extract(Subject(subject.id, "", {}, volumes), feature_set))
        except (OSError, MemoryError):
            raise  # a full disk or short memory is no fault of the patient
        except Exception as problem:  # one bad image must not hide the next one: all are reported together
            problems[subject.id] = f"{type(problem).__name__}: {problem}"
    return problems


class Predicted:
    """What a method said about some patients, checked; arrays are None for what it does not give."""

    def __init__(
        self,
        risk: NDArray[np.float64] | None,
        survival: NDArray[np.float64] | None,
        probability: Iterator[NDArray[np.float32]] | None,
    ) -> None:
        self.risk = risk
        self.survival = survival
        self.probability = probability


def predict(method: Any, cohort: UnlabelledCohort, gives: Sequence[str]) -> Predicted:
    """Ask a method for everything it gives, and check it.

    Raises:
        BadPredictionError: wrong shape, not finite, survival outside [0, 1] or increasing.
    """
    n = len(cohort)
    risk = survival = None
    if "risk" in gives:
        risk = np.asarray(method.predict_risk(cohort), dtype=np.float64)
        if risk.shape != (n,):
            raise BadPredictionError(f"predict_risk gave shape {risk.shape}, expected ({n},)")
        if not np.isfinite(risk).all():
            bad = ", ".join(s.id for s, ok in zip(cohort.subjects, np.isfinite(risk), strict=True) if not ok)
            raise BadPredictionError(f"predict_risk gave a risk that is not finite for {bad[:200]}")
    if "survival" in gives:
        survival = np.asarray(method.predict_survival(cohort, SURVIVAL_MONTHS), dtype=np.float64)
        if survival.shape != (n, len(SURVIVAL_MONTHS)):
            raise BadPredictionError(f"predict_survival gave shape {survival.shape}")
        inside = np.isfinite(survival).all() and survival.min() >= 0 and survival.max() <= 1
        if not inside or np.diff(survival, axis=1).max() > 1e-9:
            raise BadPredictionError("predict_survival must lie in [0, 1] and never increase with time")
    return Predicted(risk, survival, method.segment(cohort) if "segmentation" in gives else None)


class Curves:
    """Collects what a fit reports, and tells the run's progress through a small file."""

    def __init__(self, progress: Path, *, total: int) -> None:
        self._rows: dict[tuple[int, str, str], float] = {}
        self._progress = progress
        self._total = total
        self._told = 0.0

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; a resumed fit may report a step again."""
        for metric, value in values.items():
            self._rows[step, "train", metric] = float(value)
        if time.monotonic() - self._told > 1.0:
            self._told = time.monotonic()
            self._progress.write_text(f"{step}/{self._total}", encoding="utf-8")

    def extend(self, rows: Iterator[CurveRow]) -> None:
        """Add rows that the harness has scored."""
        for step, split, metric, value in rows:
            self._rows[step, split, metric] = value

    def write(self, path: Path) -> None:
        """Write all rows, ordered."""
        import pandas as pd

        rows = [(*key, value) for key, value in sorted(self._rows.items())]
        table = pd.DataFrame(rows, columns=["step", "split", "metric", "value"])
        table.astype({"step": "int64", "split": "string", "metric": "string", "value": "float64"}).to_parquet(path)


def _write_predictions(
    folder: Path,
    job: Job,
    prepared: PreparedCohort,
    predicted: Predicted,
    masks: list[Volume] | None,
    *,
    role: str,
) -> None:
    import pandas as pd

    ids = list(job["test"])
    scores = [(np.nan, np.nan)] * len(ids)
    if predicted.probability is not None:
        scores = _segmentation_scores(predicted.probability, masks, ids)
    time_, event = prepared.outcomes(ids)
    survival = predicted.survival
    table = pd.DataFrame(
        {
            "id": pd.array(ids, dtype="string"),
            "fold": np.int64(job["fold"]),
            "seed": np.int64(job["seed"]),
            "role": pd.array([role] * len(ids), dtype="string"),
            "time": time_,
            "event": event,
            "centre": pd.array(prepared.centres(ids), dtype="string"),
            "risk": np.full(len(ids), np.nan) if predicted.risk is None else predicted.risk,
            "dice": np.array([dice_ for dice_, _ in scores], dtype=np.float64),
            "hd95": np.array([distance for _, distance in scores], dtype=np.float64),
            "survival": [None] * len(ids) if survival is None else list(survival),
        }
    )
    table.to_parquet(folder / "predictions.parquet")


def _segmentation_scores(
    probability: Iterator[NDArray[np.float32]], masks: list[Volume] | None, ids: list[str]
) -> list[tuple[float, float]]:
    """Return (Dice, HD95 in mm) of each patient; NaN without a manual mask."""
    scores: list[tuple[float, float]] = []
    for row, image in enumerate(probability):
        if not np.isfinite(image).all():
            raise BadPredictionError(f"segment gave a probability that is not finite for {ids[row]}")
        if masks is None:
            scores.append((np.nan, np.nan))
            continue
        if image.shape != masks[row].shape:
            raise BadPredictionError(f"segment gave shape {image.shape} for {ids[row]}, expected {masks[row].shape}")
        manual = np.asarray(masks[row].voxels(), dtype=bool)
        scores.append((dice(image > 0.5, manual), hd95(image > 0.5, manual, masks[row].spacing)))
    if len(scores) != len(ids):
        raise BadPredictionError(f"segment gave {len(scores)} images for {len(ids)} patients")
    return scores


def _examples(
    predicted: Predicted, masks: list[Volume] | None, prepared: PreparedCohort, ids: Sequence[str]
) -> Examples:
    """Return what keeps slices of the first patients while their predicted masks are scored; nothing without masks."""
    if masks is None or predicted.probability is None:
        return Examples([], [])
    examples = Examples(prepared.inputs(ids[:PATIENTS], ["images"]).subjects, masks)
    predicted.probability = examples.watch(predicted.probability)
    return examples


def _masks(prepared: PreparedCohort, ids: Sequence[str]) -> list[Volume] | None:
    subjects = prepared.inputs(ids, ["mask"]).subjects
    if not all("mask" in s.volumes for s in subjects):
        return None
    return [s.volumes["mask"] for s in subjects]


def _description(method: Method) -> dict[str, int]:
    describe = getattr(method, "describe", None)
    return {} if describe is None else describe()


def _write_selected(folder: Path, method: Method, train: Cohort) -> None:
    """Write ``selected.json``, the weight of every feature and clinical column, for methods that tell them.

    Raises:
        BadPredictionError: a weight is not a finite number.
    """
    selected = getattr(method, "selected", None)
    if selected is None:
        return
    offered = () if train.features is None else train.features.names
    weights = {**dict.fromkeys(offered, 0.0), **{str(name): float(weight) for name, weight in selected().items()}}
    bad = ", ".join(name for name, weight in weights.items() if not np.isfinite(weight))
    if bad:
        raise BadPredictionError(f"selected gave a weight that is not finite for {bad[:200]}")
    write_json(folder / SELECTED, weights)


def finish(
    folder: Path,
    job: Job,
    started: float,
    fitted: float,
    finished: float,
    *,
    params: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    survival: str = "none",
    description: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Write ``job.json`` and ``run.json`` of a job that went well; return the latter."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "schema": SCHEMA,
        "status": "ok",
        "error": None,
        "seconds": round(finished - started, 3),
        "seconds_fit": round(fitted - started, 3),
        "seconds_predict": round(finished - fitted, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_memory_mb": round(used.ru_maxrss / 1024),
        "gpu_peak_memory_mb": _gpu_memory(),
        "params": dict(params or {}),
        "settings": dict(settings or {}),
        "survival": survival,
        "description": dict(description or {}),
        "provenance": provenance(),
    }
    write_json(folder / "job.json", dict(job))
    write_json(folder / "run.json", record)
    return record


def _gpu_memory() -> int | None:
    """Return the most memory that torch held on its GPU, in MB, or None where it has used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated() // 2**20)


def limit_threads(threads: int) -> None:
    """Let torch use this many threads, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def logged(live: Path, kept: Path) -> Iterator[None]:
    """Send everything that this process prints to ``live``; at the end a bounded copy goes to ``kept``."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with live.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, target in zip(saved, (1, 2), strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)
    if live.stat().st_size <= LOG_LIMIT_BYTES:
        shutil.copyfile(live, kept)
    else:
        kept.write_text(log_tail(live), encoding="utf-8")


def log_tail(path: Path) -> str:
    """Return the last part of a log file, at most :data:`LOG_LIMIT_BYTES`, or "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LOG_LIMIT_BYTES))
        return stream.read().decode("utf-8", errors="replace")
