"""Compare DeepSurv and a Cox model on METABRIC's published split with the published C: ``deepsurv_metabric.py FOLDER``.

FOLDER holds ``metabric_IHC4_clinical_train_test.h5`` and ``metabric_model_selu_revision.0.json`` from the DeepSurv
repository (Katzman et al., BMC Med Res Methodol 18, 2018). The exit status is 1 if a C is outside its bound.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from survbench.api import Context, Method, Seeds
from survbench.cohort import ClinicalColumn, Cohort, Subject
from survbench.metrics import concordance_index
from survbench.models.learners.cox import Cox
from survbench.models.learners.deepsurv import DeepSurv
from survbench.plan.profile import load_profile

SEEDS = range(3)
PUBLISHED = {"Cox model": (0.631, 0.005), "DeepSurv": (0.643, 0.015)}
"""Published C on the test part, and the largest allowed difference from it."""


def cohort(file: h5py.File, part: str) -> Cohort:
    """Return the training or the test part, with its nine columns as clinical numbers."""
    values = np.asarray(file[part]["x"], dtype=np.float64)
    names = [f"x{n}" for n in range(values.shape[1])]
    return Cohort(
        subjects=tuple(
            Subject(f"{part}{n:04d}", "", dict(zip(names, row, strict=True)), {})
            for n, row in enumerate(values.tolist())
        ),
        clinical_columns=tuple(ClinicalColumn(name, "numeric") for name in names),
        time=np.asarray(file[part]["t"], dtype=np.float64),
        event=np.asarray(file[part]["e"], dtype=bool),
    )


def published_params(path: Path) -> dict[str, Any]:
    """Return the published depth, width, activation, dropout and learning rate.

    The published L2 of 4.7 is left out: that program applies it only to the output layer, while ours penalises all
        layers.
    """
    raw = json.loads(path.read_text(encoding="utf-8"))
    widths = raw["hidden_layers_sizes"]
    return {
        "layers": len(widths),
        "neurons": widths[0],
        "activation": raw["activation"],
        "dropout": raw["dropout"],
        "learning_rate": raw["learning_rate"],
    }


def c_index(method: Method, train: Cohort, test: Cohort, seed: int) -> float:
    """Fit on the training part and return C on the test part."""
    with tempfile.TemporaryDirectory() as scratch:
        context = Context(
            seeds=Seeds(seed, 0, "metabric"), training=load_profile("smoke").training, scratch=Path(scratch)
        )
        fitted: Any = method.fit(train, validation=None, ctx=context)
        return concordance_index(test.time, test.event, fitted.predict_risk(test.unlabelled({"clinical"}))).value


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1])
    with h5py.File(folder / "metabric_IHC4_clinical_train_test.h5") as file:
        train, test = cohort(file, "train"), cohort(file, "test")
    params = published_params(folder / "metabric_model_selu_revision.0.json")
    found = {
        "Cox model": [c_index(Cox(), train, test, 0)],
        "DeepSurv": [c_index(DeepSurv(**params), train, test, seed) for seed in SEEDS],
    }
    print(f"METABRIC: {len(train)} training and {len(test)} test patients; DeepSurv: {params}")
    print(f"{'':<12}{'published C':>12}{'ours':>8}{'bound':>8}  by seed")
    outside = []
    for name, values in found.items():
        published, bound = PUBLISHED[name]
        mean = float(np.mean(values))
        print(f"{name:<12}{published:>12.3f}{mean:>8.3f}{bound:>8.3f}  {', '.join(f'{v:.3f}' for v in values)}")
        if abs(mean - published) > bound:
            outside.append(name)
    if outside:
        sys.exit(f"outside the bound: {', '.join(outside)}")


if __name__ == "__main__":
    main()
