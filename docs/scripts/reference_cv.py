"""Print the mean C of the feature-based methods with default settings, next to an independent computation on the same
splits of two public feature tables: ``reference_cv.py DATA``.

DATA holds ``hn_petct`` and ``nsclc_pet``. As in the reference, methods get only the features. They differ from the
reference in penalty rule, leaf size and number of trees, so the figures need not agree.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from survbench.api import Context, MethodInfo, Seeds
from survbench.cohort import Cohort
from survbench.datasets.cohorts.named import load_source
from survbench.metrics import concordance_index
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.work.construct import construct

SPLITS = Path(__file__).parents[2] / "tests" / "reference" / "cross_validation"
REFERENCES = {"hn_petct": "hn_petct_hgj_pfs.json", "nsclc_pet": "nsclc_pet_os.json"}
BESIDE = {"radiomics-lasso-cox": "lasso_cox", "radiomics-rsf": "rsf"}


def c_index(info: MethodInfo, cohort: Cohort, test_ids: set[str], seeds: Seeds) -> float:
    """Fit a method on the other patients and return its C-index on these patients."""
    train, test = (cohort.select(i for i in cohort.ids if (i in test_ids) == part) for part in (False, True))
    with tempfile.TemporaryDirectory() as scratch:
        ctx = Context(seeds=seeds, training=load_profile("quick").training, scratch=Path(scratch))
        method = construct(info.target, info.params).fit(train, validation=None, ctx=ctx)
        risk = method.predict_risk(test.unlabelled(info.needs_predict))
    return concordance_index(test.time, test.event, risk).value


def main(data: Path) -> None:
    """Print a line per cohort and method."""
    infos = [info for info in registry().methods.values() if info.family == "radiomics"]
    for name, file in REFERENCES.items():
        cohort = load_source(name, profile=load_profile("quick"), data=data / name).cohort.restrict({"radiomics"})
        reference = json.loads((SPLITS / file).read_text(encoding="utf-8"))
        for info in infos:
            values = [
                c_index(info, cohort, set(fold["test"]), Seeds(fold["repeat"], n % 5, info.name))
                for n, fold in enumerate(reference["folds"])
            ]
            mean, sd = reference["mean_sd"].get(BESIDE.get(info.name), (float("nan"), float("nan")))
            ours = f"{np.mean(values):.3f} +- {np.std(values):.3f}"
            print(f"{name:<10} {info.name:<20} {ours}   reference {mean:.3f} +- {sd:.3f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
