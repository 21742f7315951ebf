"""Writes studies into a store without fitting anything."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
from jobs import a_fit
from survbench.api import SURVIVAL_MONTHS
from survbench.io.files import write_json
from survbench.io.layout import LEARNING, SELECTED
from survbench.io.versions import Provenance
from survbench.plan.profile import Profile, load_profile
from survbench.plan.protocol import Protocol
from survbench.plan.study import CohortDescription, Entry, Study
from survbench.runs.record import RunRecord
from survbench.runs.store import write_run

IDS = [f"P{n:02d}" for n in range(30)]
OUTSIDE = [f"E{n:02d}" for n in range(20)]


def outcomes(ids):
    rng = np.random.default_rng(len(ids))
    return rng.exponential(20, len(ids)).round(2) + 0.1, rng.random(len(ids)) < 0.6


def table(ids, chosen, risk, *, fold, seed=0, role="test", dice=np.nan, survival=None):
    time, event = outcomes(ids)
    rows = [ids.index(i) for i in chosen]
    return pd.DataFrame(
        {
            "id": pd.array(chosen, dtype="string"),
            "fold": fold,
            "seed": seed,
            "role": role,
            "time": time[rows],
            "event": event[rows],
            "centre": "A",
            "risk": np.asarray(risk, dtype=float),
            "dice": dice,
            "hd95": 10 * dice,
            "survival": [None] * len(chosen) if survival is None else list(survival),
        }
    )


def put(
    store,
    key,
    predictions,
    *,
    status="ok",
    seconds=1.0,
    description=None,
    error=None,
    selected=None,
    learning=None,
    upstream=None,
):
    """Write a run."""
    job = a_fit(key, upstream=upstream)
    record = RunRecord(status=status, error=error, seconds=seconds, description=description or {})
    if status != "ok":
        shutil.rmtree(store.folder(key), ignore_errors=True)  # a failure replaces no result
        store.record_failure(job, record, "")
        return
    with store.writing(key) as folder:
        predictions.to_parquet(folder / "predictions.parquet")
        pd.DataFrame({"step": [], "split": [], "metric": [], "value": []}).to_parquet(folder / "curves.parquet")
        write_run(folder, job, record)
        if selected is not None:
            write_json(folder / SELECTED, selected)
        if learning is not None:
            write_json(folder / LEARNING, learning)


def folds(count=3):
    return [IDS[k::count] for k in range(count)]


TIME, EVENT = outcomes(IDS)
FOLD = np.array([next(k for k, fold in enumerate(folds()) if i in fold) for i in IDS])
"""Of each patient of the toy study."""


def exponential(risk):
    """Return exponential survival curves with a median that falls with risk."""
    return np.exp(-np.exp(risk[:, None] / 30) * SURVIVAL_MONTHS / 30)


def study(entries, *, external=True, selection="last", **profile):
    """Return a study of three folds with these entries."""
    described = {
        "name": "toy",
        "title": "Toy cohort",
        "endpoint": "PFS",
        "patients": 30,
        "events": 18,
        "longest_months": 60.0,
        "centres": 1,
        "channels": ["pet"],
        "grid": [32, 32, 32],
        "licence": "CC0",
        "citation": "nobody",
        "fingerprint": "f",
    }
    outside = {**described, "name": "outside", "title": "Outside", "patients": 20}
    smoke = load_profile("smoke").model_dump()
    training = {"steps": 6, "batch_size": 4, "learning_rate_scale": 100.0}
    budget = {"resamples": 200, "training": training, "tuning": {"trials": 3, "inner_folds": 2}}
    return Study(
        name="toy-smoke-00000000",
        cohort=CohortDescription.model_validate(described),
        external=CohortDescription.model_validate(outside) if external else None,
        protocol=Protocol(folds=folds(), selection=selection, tau=21.0),
        profile=Profile.model_validate({**smoke, **budget, **profile}),
        provenance=Provenance(survbench="0.1.0"),
        entries=tuple(entries),
    )


def method(store, name, risks, *, family="marker", outside=None, dice=np.nan, gives=("risk",), title=None, **more):
    """Write a complete method: ``risks`` of shape (seeds, 30), ``outside`` of shape (seeds, folds, 20), ``selected``
    and ``learning`` by seed and fold, ``survival`` as a function of risks that gives curves.
    """
    risks = np.atleast_2d(risks)
    fits, predicts = [], []
    for seed, risk in enumerate(risks):
        fits.append([])
        predicts.append([])
        for fold, members in enumerate(folds()):
            key = f"{name}-{seed}-{fold}"
            own = [risk[IDS.index(i)] for i in members]
            put(
                store,
                key,
                table(
                    IDS,
                    members,
                    own,
                    fold=fold,
                    seed=seed,
                    dice=dice,
                    survival=more["survival"](np.array(own)) if "survival" in more else None,
                ),
                description=more.get("description"),
                selected=more["selected"][seed][fold] if "selected" in more else None,
                learning=more["learning"][seed][fold] if "learning" in more else None,
                upstream=more.get("upstream"),
            )
            fits[-1].append(key)
            if outside is not None:
                put(
                    store,
                    f"{key}-out",
                    table(OUTSIDE, OUTSIDE, outside[seed][fold], fold=fold, role="external:outside"),
                )
                predicts[-1].append(f"{key}-out")
    return Entry(
        name=name,
        title=title or name,
        family=family,
        group=more.get("group", "outside"),
        gives=tuple(gives),
        stochastic=len(risks) > 1,
        published=more.get("published"),
        notes=more.get("notes", ""),
        fits=tuple(map(tuple, fits)),
        predicts=tuple(map(tuple, predicts)) if outside is not None else (),
    )


def figures(c=None, *, dice=None):
    """Return what a fit makes of its training fold of 20 patients: C, and Dice beside a constant mask's of 0.4."""
    of_risk = {"c_index_chance_sd": 0.09, "loss": "cox", "loss_uninformed": 2.4, "loss_best": 2.1, "slope": 0.8}
    return {
        "patients": 20,
        "events": 12,
        "c_index": c,
        **(of_risk if c is not None else dict.fromkeys(of_risk)),
        "dice": dice,
        "dice_constant": None if dice is None else 0.4,
    }


def mixed_study(store):
    """Write a study with survival curves, selected features, an external cohort, a method that failed, and one that
    was skipped.
    """
    rng = np.random.default_rng(5)
    outside = rng.normal(size=(1, 3, len(OUTSIDE)))
    kept = [[{"a": float(fold), "b": 1.0} for fold in range(3)]]
    entries = [
        method(
            store,
            "curves",
            -TIME + 20 * rng.normal(size=30),
            outside=outside,
            survival=exponential,
            learning=[[figures(0.9), figures(0.6), None]],
        ),
        method(store, "selects", rng.normal(size=30), outside=outside, selected=kept),
        method(store, "failed", rng.normal(size=30), outside=outside),
        Entry(name="skipped", title="s", family="marker", gives=("risk",), skipped="needs a PET channel"),
    ]
    error = {"type": "ValueError", "message": "no /home/somebody/secret", "traceback": "File /home/somebody/secret.py"}
    put(store, "failed-0-1", None, status="failed", error=error)
    made = study(entries)
    made.write(store.root)
    return made


SEED = study([]).protocol.seed
"""Of resamples and permutations of the toy study."""
