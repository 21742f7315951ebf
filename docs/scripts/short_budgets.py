"""Measure training settings for networks on phantom cohorts whose seeds no board uses.

``short_budgets.py METHOD [SETTING=VALUE ...]`` trains a method on 12 training sets of 80 patients, with the profile
``quick`` except for the given settings (of ``training`` or of its ``short_budget``; ``short_budget=null`` for the
published schedule), and prints C and Dice on 400 further patients. A setting from docs/explanation/short-budgets.md,
which describes how its own figures were made, can thus be measured again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from survbench.api import Context, Seeds
from survbench.cohort import Cohort
from survbench.datasets.phantom.cohort import phantom_cohorts
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import plan_grid, reference_point
from survbench.datasets.preprocessing.resample import prepare_subject
from survbench.plan.profile import PhantomSize, load_profile
from survbench.plan.registry import registry
from survbench.statistics.metrics import concordance_index, dice
from survbench.training import ShortBudget, Training
from survbench.work.construct import construct

TRAIN_SEEDS, TEST_SEEDS = range(1000, 1012), range(1500, 1508)
TRAIN_PATIENTS, TEST_PATIENTS = 80, 50
VOLUMES = ("pet", "ct", "mask")


def prepared(seed: int, patients: int, folder: Path) -> Cohort:
    """Return the first centre of a phantom, on the grid of ``quick``."""
    size = PhantomSize(train=patients, external=8, event_rate=0.45, external_event_rate=0.6, seed=seed)
    source, _ = phantom_cohorts(size, 32)
    grid, store, subjects = plan_grid((128, 128, 112), 32), VolumeStore(folder / str(seed)), []
    for subject in source.cohort.subjects:
        point = reference_point(subject, source.cohort.channels, "centre")
        keys = prepare_subject(subject, VOLUMES, grid, point, store)
        subjects.append(replace(subject, volumes={name: store.open(key) for name, key in keys.items()}))
    return replace(source.cohort, subjects=tuple(subjects), truth=None)


def training_with(settings: dict[str, Any]) -> Training:
    """Return the training settings of ``quick`` with changes."""
    block = load_profile("quick").training.model_dump()
    for name, value in settings.items():
        inside = block["short_budget"] if name in ShortBudget.model_fields else block
        inside[name] = value
    return Training.model_validate({**block, "evaluations": 0})


def measured(method: str, training: Training, folder: Path) -> Iterator[tuple[float, float, float]]:
    """Yield, for each training set, C on it, and C and Dice on the test patients; NaN if not available."""
    info = registry().get(method)
    tests = [prepared(seed, TEST_PATIENTS, folder) for seed in TEST_SEEDS]
    for seed in TRAIN_SEEDS:
        train = prepared(seed, TRAIN_PATIENTS, folder)
        scratch = folder / f"fit-{seed}"
        scratch.mkdir()
        ctx = Context(seeds=Seeds(0, seed, method), training=training, scratch=scratch)
        model = construct(info.target, dict(info.params))
        model.fit(train.restrict(info.needs_fit), validation=None, ctx=ctx)
        unseen = [test.unlabelled(info.needs_predict) for test in tests]
        c_train = c_test = overlap = np.nan
        if "risk" in info.gives:
            seen = model.predict_risk(train.unlabelled(info.needs_predict))
            c_train = concordance_index(train.time, train.event, seen).value
            time, event = (np.concatenate([getattr(test, name) for test in tests]) for name in ("time", "event"))
            c_test = concordance_index(time, event, np.concatenate([model.predict_risk(test) for test in unseen])).value
        if "segmentation" in info.gives:
            overlap = float(
                np.mean(
                    [
                        dice(image > 0.5, np.asarray(subject.volumes["mask"].voxels(), dtype=bool))
                        for test, cohort in zip(tests, unseen, strict=True)
                        for subject, image in zip(test.subjects, model.segment(cohort), strict=True)
                    ]
                )
            )
        yield c_train, c_test, overlap


def main(method: str, *settings: str) -> None:
    """Print a line per training set, then means, standard deviations and minima."""
    torch.set_num_threads(1)
    training = training_with({name: yaml.safe_load(value) for name, value in (s.split("=", 1) for s in settings)})
    sys.stdout.write(f"{method}: {training}\n{'C train':>10}{'C test':>10}{'Dice':>10}\n")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in measured(method, training, Path(folder)):
            rows.append(row)
            sys.stdout.write("".join(f"{value:10.3f}" for value in row) + "\n")
            sys.stdout.flush()
    table = np.array(rows)
    for name, values in (("mean", table.mean(0)), ("sd", table.std(0, ddof=1)), ("lowest", table.min(0))):
        sys.stdout.write("".join(f"{value:10.3f}" for value in values) + f"  {name}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
