"""Methods on features and clinical columns: the clinical Cox model, and three learners on two kinds of features."""

from __future__ import annotations

from typing import Any

from survbench.api import MethodInfo, Published, Resources
from survbench.cohort import Need
from survbench.space import Choice, Real, Space, Whole

TABLE = "Meng et al., IEEE JBHI 26(9), 2022, Table II"
LEARNERS = (
    (
        "lasso-cox",
        "Lasso-Cox",
        "survbench.models.learners.lasso_cox:LassoCox",
        "Tibshirani, Stat Med 16(4), 1997",
        False,
        1.0,
    ),
    (
        "rsf",
        "RSF",
        "survbench.models.learners.forest:SurvivalForest",
        "Ishwaran et al., Ann Appl Stat 2(3), 2008",
        True,
        4.0,
    ),
    (
        "deepsurv",
        "DeepSurv",
        "survbench.models.learners.deepsurv:DeepSurv",
        "Katzman et al., BMC MRM 18, 2018",
        True,
        6.0,
    ),
)
PUBLISHED = {
    "radiomics-lasso-cox": (0.696, 0.675),
    "radiomics-rsf": (0.691, 0.673),
    "radiomics-deepsurv": (0.687, 0.666),
    "deepfeat-lasso-cox": (0.711, 0.692),
    "deepfeat-rsf": (0.707, 0.688),
    "deepfeat-deepsurv": (0.716, 0.694),
}
UPSTREAM = "deepmts"
EMBEDDING_S = 8.0
"""CPU seconds that the upstream network needs for the features of the quick profile's patients."""
SMOKE = {"rsf": {"trees": 50, "leaf": 3}, "deepsurv": {"epochs": 50}}
REDUNDANCY: Space = {"redundancy": Real(0.5, 0.95)}
SPACES: dict[str, Space] = {
    "lasso-cox": {**REDUNDANCY, "rule": Choice(("best", "one-standard-error"))},
    "rsf": {**REDUNDANCY, "leaf": Whole(3, 30)},
    "deepsurv": {
        **REDUNDANCY,
        "layers": Whole(1, 3),
        "neurons": Whole(4, 64, log=True),
        "dropout": Real(0.0, 0.5),
        "weight_decay": Real(1e-4, 1.0, log=True),
        "learning_rate": Real(1e-4, 1e-2, log=True),
    },
}


def _info(kind: str, learner: tuple[str, str, str, str, bool, float], **more: Any) -> MethodInfo:
    short, title, target, reference, stochastic, seconds = learner
    name = f"{kind}-{short}"
    c, external = PUBLISHED[name]
    return MethodInfo(
        name=name,
        title=f"{'Radiomics' if kind == 'radiomics' else 'Deep features'} + {title}",
        group="paper",
        pair=True,
        target=target,
        gives=frozenset({"risk", "survival"}),
        trains=False,
        resources=Resources(quick_seconds=seconds + (EMBEDDING_S if kind == "deepfeat" else 0.0)),
        space=SPACES[short],
        smoke_params=SMOKE.get(short, {}),
        tags=frozenset({"table-2"}),
        published=Published(source=TABLE, c_index=c, external_c_index=external),
        **{"stochastic": stochastic, "reference": reference, **more},
    )


RADIOMICS: frozenset[Need] = frozenset({"radiomics", "clinical"})
DEEP: frozenset[Need] = frozenset({"upstream", "clinical"})
METHODS = (
    *(
        _info("radiomics", learner, family="radiomics", needs_fit=RADIOMICS, needs_predict=RADIOMICS)
        for learner in LEARNERS
    ),
    *(
        _info(
            "deepfeat",
            learner,
            family="deep-features",
            needs_fit=DEEP,
            needs_predict=DEEP,
            upstream=UPSTREAM,
            stochastic=True,
            notes=f"deep features of {UPSTREAM} from the same fold and seed",
        )
        for learner in LEARNERS
    ),
    MethodInfo(
        name="clinical-cox",
        title="Clinical Cox model",
        family="clinical",
        group="simple",
        target="survbench.models.learners.clinical_cox:ClinicalCox",
        needs_fit=frozenset({"clinical"}),
        needs_predict=frozenset({"clinical"}),
        gives=frozenset({"risk", "survival"}),
        trains=False,
        resources=Resources(quick_seconds=0.1),
        reference="Cox, J R Stat Soc B 34(2), 1972",
    ),
)
