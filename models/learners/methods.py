"""Methods on tables: each is a source of columns and a learner, and is named ``<source>-<learner>``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from survbench.api import Gives, MethodInfo, Published, Resources
from survbench.cohort import Need
from survbench.features.sources import SOURCES, Source
from survbench.space import Choice, Real, Space, Whole

RISK: frozenset[Gives] = frozenset({"risk"})
CURVES: frozenset[Gives] = frozenset({"risk", "survival"})
REDUNDANCY: Space = {"redundancy": Real(0.5, 0.95)}
NETWORK: Space = {
    **REDUNDANCY,
    "layers": Whole(1, 3),
    "neurons": Whole(4, 64, log=True),
    "dropout": Real(0.0, 0.5),
    "weight_decay": Real(1e-4, 1.0, log=True),
    "learning_rate": Real(1e-4, 1e-2, log=True),
}
BOOSTED: Space = {**REDUNDANCY, "learning_rate": Real(0.01, 0.3, log=True)}
ROOM = "survbench.models.learners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """Declaration of a learner: everything of a method that does not depend on the source of its columns.

    Attributes:
        name: kebab case; the last part of the name of a pair.
        title: the last part of the title of a pair.
        target: ``module:Class`` in the folder of learners.
        reference: where the learner comes from.
        seconds: CPU seconds of a fit of the ``quick`` profile.
        needs: what a fit must be given beside the columns of the source.
        params, space, smoke_params, gives, stochastic, notes: as in :class:`survbench.api.MethodInfo`.
    """

    name: str
    title: str
    target: str
    reference: str
    seconds: float
    needs: frozenset[Need] = frozenset()
    params: Mapping[str, Any] = field(default_factory=dict)
    space: Space = field(default_factory=lambda: REDUNDANCY)
    smoke_params: Mapping[str, Any] = field(default_factory=dict)
    gives: frozenset[Gives] = CURVES
    stochastic: bool = False
    notes: str = ""


LEARNERS = (
    Learner(
        name="cox",
        title="Cox model",
        target="cox:Cox",
        reference="Cox, J R Stat Soc B 34(2), 1972",
        seconds=0.1,
        space={**REDUNDANCY, "ridge": Real(1e-4, 1.0, log=True)},
    ),
    Learner(
        name="univariate-cox",
        title="univariate selection, Cox model",
        target="cox:Cox",
        params={"screening": 0.05},
        reference="Lv et al., Mol Imaging Biol 21, 2019",
        seconds=0.1,
        space={"screening": Real(0.01, 0.2), **REDUNDANCY},
        notes="features pass a univariate Cox test at a false-discovery rate of 5 % (published: p < 0.05, unadjusted)",
    ),
    Learner(
        name="lasso-cox",
        title="Lasso-Cox",
        target="lasso_cox:LassoCox",
        reference="Tibshirani, Stat Med 16(4), 1997",
        seconds=1.0,
        space={**REDUNDANCY, "rule": Choice(("best", "one-standard-error"))},
    ),
    Learner(
        name="en-cox",
        title="elastic-net Cox",
        target="lasso_cox:LassoCox",
        params={"l1_ratio": 0.5},
        reference="Simon et al., J Stat Softw 39(5), 2011",
        seconds=1.0,
        space={**REDUNDANCY, "l1_ratio": Real(0.1, 0.9), "rule": Choice(("best", "one-standard-error"))},
    ),
    Learner(
        name="rsf",
        title="RSF",
        target="forest:SurvivalForest",
        reference="Ishwaran et al., Ann Appl Stat 2(3), 2008",
        seconds=4.0,
        space={**REDUNDANCY, "leaf": Whole(3, 30)},
        smoke_params={"trees": 50, "leaf": 3},
        stochastic=True,
    ),
    Learner(
        name="survival-svm",
        title="survival SVM",
        target="svm:SurvivalSVM",
        params={"objective": "regression"},
        reference="Shivaswamy et al., ICDM 2007",
        seconds=0.3,
        space={**REDUNDANCY, "penalty": Real(1e-3, 10.0, log=True)},
        gives=RISK,
        stochastic=True,
        notes="squared loss in the place of the published absolute one (scikit-survival)",
    ),
    Learner(
        name="survival-svm-rank",
        title="ranking survival SVM",
        target="svm:SurvivalSVM",
        params={"objective": "ranking"},
        reference="Van Belle et al., J Biomed Inform 43(3), 2010",
        seconds=0.3,
        space={**REDUNDANCY, "penalty": Real(1e-3, 10.0, log=True)},
        gives=RISK,
        stochastic=True,
        notes="squared hinge loss over pairs (Poelsterl et al., ECML PKDD 2015) in the place of the least-squares form",
    ),
    Learner(
        name="minlip",
        title="Minlip",
        target="svm:SurvivalSVM",
        params={"objective": "minlip"},
        reference="Van Belle et al., J Mach Learn Res 12, 2011",
        seconds=1.0,
        space={**REDUNDANCY, "penalty": Real(1e-3, 10.0, log=True)},
        gives=RISK,
    ),
    Learner(
        name="svcr",
        title="censored support vector regression",
        target="svcr:SVCR",
        reference="Shivaswamy et al., ICDM 2007",
        seconds=0.5,
        space={**REDUNDANCY, "penalty": Real(1e-3, 10.0, log=True), "epsilon": Real(0.0, 0.5)},
        gives=RISK,
        notes="the published quadratic program with a linear kernel, of log time; survival-svm has squared errors",
    ),
    Learner(
        name="lssvm-survival",
        title="least-squares survival SVM",
        target="lssvm:SurvivalLSSVM",
        reference="Van Belle et al., Stat Med 29(2), 2010",
        seconds=0.1,
        space={
            **REDUNDANCY,
            "ranking": Real(1e-3, 10.0, log=True),
            "regression": Real(1e-3, 10.0, log=True),
        },
        gives=RISK,
        notes="with a linear kernel, of log time; censored patients count in the differences alone",
    ),
    Learner(
        name="gradient-boosting-cox",
        title="gradient-boosted Cox model",
        target="boosting:GradientBoostingCox",
        reference="Friedman, Ann Stat 29(5), 2001",
        seconds=0.6,
        space={**BOOSTED, "trees": Whole(20, 200), "depth": Whole(1, 4)},
        smoke_params={"trees": 30, "leaf": 3},
        stochastic=True,
    ),
    Learner(
        name="componentwise-boosting",
        title="componentwise boosting",
        target="boosting:ComponentwiseBoosting",
        reference="Hothorn et al., Biostatistics 7(3), 2006",
        seconds=0.3,
        space={**BOOSTED, "steps": Whole(20, 300)},
        notes="boosts the Cox likelihood; boostci boosts the C-index",
    ),
    Learner(
        name="boostci",
        title="boosted C-index",
        target="boostci:BoostCI",
        reference="Mayr and Schmid, PLoS ONE 9(1), 2014",
        seconds=0.6,
        space={**REDUNDANCY, "sigma": Real(0.03, 0.5, log=True)},
        smoke_params={"steps": 50},
        gives=RISK,
        notes="inner folds choose the number of steps; a step does not depend on the number of patients",
    ),
    Learner(
        name="mtlsa",
        title="MTLSA",
        target="mtlsa:MTLSA",
        reference="Li et al., KDD 2016",
        seconds=2.0,
        space={**REDUNDANCY, "ridge": Real(1e-4, 1.0, log=True)},
        smoke_params={"penalties": 5, "iterations": 20},
        notes="intervals end at quantiles of the event times (published: at all times); an intercept, not penalised; "
        "20 penalties in the place of 100, chosen by the squared error of inner folds",
    ),
    Learner(
        name="transfer-cox",
        title="Transfer-Cox",
        target="transfer_cox:TransferCox",
        reference="Li et al., ICDM 2016",
        seconds=2.0,
        needs=frozenset({"centres"}),
        space={**REDUNDANCY, "weight": Real(0.1, 10.0, log=True)},
        smoke_params={"penalties": 5},
        notes="source: the card's reference_centre, or else the centre with the most training patients; the model of "
        "the other centres' patients predicts",
    ),
    Learner(
        name="icare",
        title="ICARE",
        target="icare:Icare",
        reference="Rebaud et al., HECKTOR 2022",
        seconds=0.3,
        space={"rho": Real(0.5, 1.0), "cmin": Real(0.5, 0.6), "max_features": Real(0.05, 1.0, log=True)},
        gives=RISK,
        stochastic=True,
        notes="defaults of the published package: all columns whose sign is sure vote; missing values do not vote; "
        "columns that are constant in the training fold are left out",
    ),
    Learner(
        name="icare-bagged",
        title="bagged ICARE",
        target="icare:IcareBagged",
        reference="Rebaud et al., HECKTOR 2022",
        seconds=1.0,
        space={"settings": Choice(("challenge", "package"))},
        smoke_params={"members": 20},
        gives=RISK,
        stochastic=True,
        notes="100 members (published: 100,000), rules drawn from the ranges of the published five sets; missing "
        "values do not vote; clinical columns are the mandatory ones",
    ),
    Learner(
        name="faraggi-simon",
        title="Faraggi-Simon network",
        target="deepsurv:DeepSurv",
        params={"layers": 1, "neurons": 4, "activation": "sigmoid", "dropout": 0.0, "learning_rate": 0.01},
        reference="Faraggi and Simon, Stat Med 14(1), 1995",
        seconds=4.0,
        space={**REDUNDANCY, "neurons": Whole(2, 16, log=True), "weight_decay": Real(1e-4, 1.0, log=True)},
        smoke_params={"epochs": 300},
        stochastic=True,
        notes="one hidden layer of logistic units; trained as deepsurv is, not by the published Newton steps",
    ),
    Learner(
        name="deepsurv",
        title="DeepSurv",
        target="deepsurv:DeepSurv",
        reference="Katzman et al., BMC MRM 18, 2018",
        seconds=6.0,
        space=NETWORK,
        smoke_params={"epochs": 50},
        stochastic=True,
    ),
    Learner(
        name="matsuo-dnn",
        title="Matsuo's deep network",
        target="deepsurv:DeepSurv",
        params={"layers": 3, "neurons": 32, "activation": "relu"},
        reference="Matsuo et al., Am J Obstet Gynecol 220(4), 2019",
        seconds=6.0,
        space=NETWORK,
        smoke_params={"epochs": 50},
        stochastic=True,
        notes="reconstruction: three hidden layers of 32 with the Cox loss; the published widths were not found",
    ),
    Learner(
        name="deephit",
        title="DeepHit",
        target="discrete:DeepHit",
        reference="Lee et al., AAAI 2018",
        seconds=1.5,
        space=NETWORK,
        smoke_params={"epochs": 20},
        stochastic=True,
    ),
    Learner(
        name="nnet-survival",
        title="Nnet-survival",
        target="discrete:NnetSurvival",
        reference="Gensheimer and Narasimhan, PeerJ 7, 2019",
        seconds=1.5,
        space=NETWORK,
        smoke_params={"epochs": 20},
        stochastic=True,
    ),
    Learner(
        name="mtlr",
        title="neural MTLR",
        target="discrete:MTLR",
        reference="Yu et al., NIPS 2011; Kim et al., Radiother Oncol 2023 (RADCURE challenge)",
        seconds=1.5,
        space=NETWORK,
        smoke_params={"epochs": 20},
        stochastic=True,
    ),
)
TABLE_2 = "Meng et al., IEEE JBHI 26(9), 2022, Table II"
RADCURE = "RADCURE challenge, PMC10309070: overall survival, 750 test patients"
SYSTEM = "named in section 2 of the DeepMTS paper; no C-index for this pair"
PAPER = {
    "radiomics-lasso-cox": Published(source=TABLE_2, c_index=0.696, external_c_index=0.675),
    "radiomics-rsf": Published(source=TABLE_2, c_index=0.691, external_c_index=0.673),
    "radiomics-deepsurv": Published(source=TABLE_2, c_index=0.687, external_c_index=0.666),
    "deepfeat-lasso-cox": Published(source=TABLE_2, c_index=0.711, external_c_index=0.692),
    "deepfeat-rsf": Published(source=TABLE_2, c_index=0.707, external_c_index=0.688),
    "deepfeat-deepsurv": Published(source=TABLE_2, c_index=0.716, external_c_index=0.694),
}
RELATED = {
    **{
        f"radiomics-{learner}": Published(source=SYSTEM)
        for learner in (
            "univariate-cox",
            "en-cox",
            "survival-svm",
            "survival-svm-rank",
            "minlip",
            "svcr",
            "lssvm-survival",
            "gradient-boosting-cox",
            "componentwise-boosting",
            "boostci",
            "mtlsa",
            "transfer-cox",
            "faraggi-simon",
            "deephit",
            "nnet-survival",
            "mtlr",
        )
    },
    "clinical-matsuo-dnn": Published(source=SYSTEM),
}
SUCCESSORS = {
    "radiomics-icare": Published(source="package of the winner of HECKTOR 2022, task 2; no C-index for its defaults"),
    "radiomics-icare-bagged": Published(
        source="HECKTOR 2022, task 2: recurrence-free survival, rank 1 (masks by nnU-Net, 2,430 columns)", c_index=0.682
    ),
}
SIMPLE: Mapping[str, Published | None] = {
    "clinical-cox": None,
    "clinical-volume-cox": None,
    "clinical-volume-mtlr": Published(source=RADCURE, c_index=0.801),
}
"""Pairs that a reader asks for first; they are in ``all`` whether a publication reports them or not."""


def _pair(source: Source, learner: Learner) -> MethodInfo:
    name = f"{source.name}-{learner.name}"
    groups = {"paper": PAPER, "simple": SIMPLE, "successors": SUCCESSORS}
    group = next((group for group, pairs in groups.items() if name in pairs), "related")
    made_by = f"features of the same fold's and seed's {source.upstream}" if source.upstream else ""
    return MethodInfo(
        name=name,
        title=f"{source.title} + {learner.title}",
        family=source.family,
        group=group,
        pair=name not in SIMPLE,
        learner=learner.name,
        target=f"{ROOM}.{learner.target}",
        params={**learner.params, "source": source.name},
        needs_fit=source.needs | learner.needs,
        needs_predict=source.needs,
        gives=learner.gives,
        upstream=source.upstream,
        stochastic=learner.stochastic or bool(source.upstream),
        trains=False,
        resources=Resources(
            quick_seconds=learner.seconds + source.quick_seconds,
            model_mb=None if "trees" in learner.smoke_params else 0.2,
        ),
        space=learner.space,
        smoke_params=learner.smoke_params,
        tags=frozenset({"table-2"}) if name in PAPER else frozenset(),
        published=PAPER.get(name) or RELATED.get(name) or SIMPLE.get(name) or SUCCESSORS.get(name),
        reference=learner.reference,
        notes="; ".join(note for note in (made_by, learner.notes) if note),
    )


METHODS = tuple(_pair(source, learner) for source in SOURCES.values() for learner in LEARNERS)
