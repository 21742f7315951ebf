"""C of ICARE beside Lasso-Cox and RSF on the reference splits, and how it depends on the seed: ``icare_seeds.py DATA``.

DATA holds ``hn_petct`` and ``nsclc_pet`` (25 splits each, those of ``reference_cv.py``). Prints for each cohort and
method the mean C over the splits, its standard deviation over them, and that of the mean over seeds of the model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from reference_cv import REFERENCES, SPLITS, c_index
from survbench.api import Seeds
from survbench.datasets.cohorts.named import load_source
from survbench.io.stored import read_stored
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry

SEEDS = {"radiomics-icare": 1, "radiomics-icare-bagged": 5, "radiomics-lasso-cox": 1, "radiomics-rsf": 1}
"""How many seeds each method is fitted with."""


def main(data: Path) -> None:
    """Print a line for each cohort and method."""
    for name, file in REFERENCES.items():
        cohort = load_source(name, profile=load_profile("quick"), data=data / name).cohort.restrict({"radiomics"})
        folds = read_stored(SPLITS / file, dict)["folds"]
        for method, seeds in SEEDS.items():
            info = registry().get(method)
            values = np.array(
                [
                    [c_index(info, cohort, set(fold["test"]), Seeds(seed, n, method)) for n, fold in enumerate(folds)]
                    for seed in range(seeds)
                ]
            )
            means = values.mean(axis=1)
            by_seed = (
                f"{means.std(ddof=1):.4f} over seeds ({', '.join(f'{m:.4f}' for m in means)})" if seeds > 1 else ""
            )
            print(
                f"{name:<10} {method:<24} {means.mean():.3f} +- {values.std(axis=1).mean():.3f}  {by_seed}", flush=True
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
