"""The end-to-end networks that DeepMTS is compared with (table II)."""

from __future__ import annotations

from typing import Any

from survbench.api import MethodInfo, Published, Resources
from survbench.cohort import Need
from survbench.space import Real

TABLE = "Meng et al., IEEE JBHI 26(9), 2022, Table II"
SPACE = {
    "learning_rate_factor": Real(0.1, 10.0, log=True),
    "translate_mm": Real(0.0, 20.0),
    "rotate_degrees": Real(0.0, 15.0),
}


def _info(name: str, title: str, target: str, c: float, external: float, **more: Any) -> MethodInfo:
    needs: frozenset[Need] = frozenset({"images", "clinical"})
    return MethodInfo(
        name=name,
        title=title,
        family="end-to-end",
        group="paper",
        target=f"survbench.models.networks.{target}",
        **{"needs_fit": needs, "needs_predict": needs, **more},
        stochastic=True,
        selects=True,
        space=SPACE,
        tags=frozenset({"table-2"}),
        published=Published(source=TABLE, c_index=c, external_c_index=external),
    )


MASKED: frozenset[Need] = frozenset({"images", "mask", "clinical"})
METHODS = (
    _info(
        "cnn-survival",
        "CNN-Survival",
        "cnn_survival:CNNSurvival",
        0.658,
        0.628,
        params={"masked_input": True},
        needs_fit=MASKED,
        needs_predict=MASKED,
        gives=frozenset({"risk", "survival", "embedding"}),
        resources=Resources(gpu=True, quick_seconds=25.0, model_mb=1.3),
        reference="Zhang et al., BMC Med Imaging 20, 2020, doi:10.1186/s12880-020-0418-1",
        notes="reconstruction: widths, kernels and slice size were not published; no pre-training",
    ),
    _info(
        "dlpm",
        "DLPM",
        "dlpm:DLPM",
        0.667,
        0.642,
        gives=frozenset({"risk", "survival", "embedding"}),
        resources=Resources(gpu=True, quick_seconds=160.0, quick_mb=930, model_mb=1.0),
        reference="Kim et al., Radiology, 2020 (preoperative CT-based deep learning model)",
        notes="on the whole image instead of a 50 mm patch, as in the paper's comparison",
    ),
    _info(
        "mdsn",
        "MDSN",
        "mdsn:MDSN",
        0.675,
        0.639,
        gives=frozenset({"risk", "embedding"}),
        resources=Resources(gpu=True, quick_seconds=11.0, model_mb=3.6),
        reference="Jing et al., Comput Methods Programs Biomed 197, 2020, doi:10.1016/j.cmpb.2020.105684",
        notes="widths after a public re-implementation; the original program was not published",
    ),
)
