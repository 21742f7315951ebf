"""DeepMTS and its ablations (tables II to V): one class with parts left out."""

from __future__ import annotations

from typing import Any

from survbench.api import Gives, MethodInfo, Published, Resources
from survbench.cohort import Need
from survbench.space import Real

TARGET = "survbench.models.networks.deepmts.method:DeepMTS"
PAPER = "Meng et al., IEEE JBHI 26(9), 2022"
REFERENCE = "https://arxiv.org/abs/2109.07711"
SPACE = {
    "learning_rate_factor": Real(0.1, 10.0, log=True),
    "l2": Real(1e-3, 1.0, log=True),
    "head_dropout": Real(0.0, 0.7),
}
UNET = {"backbone": "unet"}
NO_SEGMENTATION = {"decoder": False}
NO_CASCADE = {"csn": False}
NO_SHARING = {"hard_sharing": False}
NO_TAPS = {"taps": False}
CODE_READING = (
    "as in the published program: the U-net's maps are averaged without the 1x1x1 convolutions, "
    "to which table V attributes most of the gain; compare with the -taps row"
)
MATCHED = "with the 1x1x1 convolutions of DeepMTS's own backbone, so that only the backbone differs"


def _info(
    name: str,
    title: str,
    parts: dict[str, Any],
    *,
    tables: str,
    seconds: float,
    mb: int,
    model_mb: float,
    c: float | None = None,
    external: float | None = None,
    dice: float | None = None,
    notes: str = "",
) -> MethodInfo:
    segments = parts.get("decoder", True)
    survives = parts.get("csn", True) or parts.get("hard_sharing", True)
    masked = parts.get("masked_input", False)
    seen: set[Need] = {"images", *({"clinical"} if survives else ()), *({"mask"} if masked else ())}
    gives: set[Gives] = set()
    gives |= {"risk", "embedding"} if survives else set()
    gives |= {"segmentation"} if segments else set()
    published = None
    if c is not None or dice is not None:
        first = {"2": "II", "3": "III", "4": "IV", "5": "V"}[tables[0]]
        published = Published(source=f"{PAPER}, Table {first}", c_index=c, external_c_index=external, dice=dice)
    return MethodInfo(
        name=name,
        title=title,
        family="multi-task" if name == "deepmts" else "ablation",
        group="paper",
        target=TARGET,
        params=parts,
        needs_fit=frozenset(seen | ({"mask"} if segments else set())),
        needs_predict=frozenset(seen),
        gives=frozenset(gives),
        stochastic=True,
        selects=True,
        space=SPACE if survives else {},
        resources=Resources(gpu=True, quick_seconds=seconds, quick_mb=mb, model_mb=model_mb),
        tags=frozenset(f"table-{number}" for number in tables),
        published=published,
        reference=REFERENCE,
        notes=notes,
    )


METHODS: tuple[MethodInfo, ...] = (
    _info(
        "deepmts", "DeepMTS", {}, tables="234", seconds=72, mb=800, model_mb=14.97, c=0.722, external=0.698, dice=0.760
    ),
    _info(
        "seg-backbone",
        "Seg-Backbone",
        NO_CASCADE | NO_SHARING,
        tables="345",
        seconds=54,
        mb=700,
        model_mb=10.7,
        dice=0.758,
    ),
    _info("sur-hs", "Sur-HS", NO_SEGMENTATION | NO_CASCADE, tables="345", seconds=24, mb=600, model_mb=7.79, c=0.678),
    _info(
        "sur-hs-seg",
        "Sur-HS, masked input",
        NO_SEGMENTATION | NO_CASCADE | {"masked_input": True},
        tables="3",
        seconds=24,
        mb=600,
        model_mb=7.79,
        c=0.657,
    ),
    _info(
        "sur-casnet", "Sur-CasNet", NO_SEGMENTATION | NO_SHARING, tables="3", seconds=16, mb=560, model_mb=4.19, c=0.674
    ),
    _info(
        "sur-casnet-seg",
        "Sur-CasNet, masked input",
        NO_SEGMENTATION | NO_SHARING | {"masked_input": True},
        tables="3",
        seconds=16,
        mb=560,
        model_mb=4.19,
        c=0.652,
    ),
    _info("mt-hs", "MT-HS", NO_CASCADE, tables="345", seconds=57, mb=700, model_mb=10.78, c=0.706, dice=0.763),
    _info("mt-casnet", "MT-CasNet", NO_SHARING, tables="34", seconds=72, mb=760, model_mb=14.89, c=0.698, dice=0.754),
    _info("unet", "U-net", UNET | NO_CASCADE | NO_SHARING, tables="4", seconds=39, mb=620, model_mb=5.9, dice=0.743),
    _info(
        "sur-hs-unet",
        "Sur-HS (U-net)",
        UNET | NO_SEGMENTATION | NO_CASCADE | NO_TAPS,
        tables="4",
        seconds=17,
        mb=560,
        model_mb=3.62,
        c=0.655,
        notes=CODE_READING,
    ),
    _info(
        "sur-hs-unet-taps",
        "Sur-HS (U-net, taps)",
        UNET | NO_SEGMENTATION | NO_CASCADE,
        tables="4",
        seconds=18,
        mb=580,
        model_mb=3.64,
        notes=MATCHED,
    ),
    _info(
        "mt-hs-unet",
        "MT-HS (U-net)",
        UNET | NO_CASCADE | NO_TAPS,
        tables="4",
        seconds=44,
        mb=640,
        model_mb=5.98,
        c=0.680,
        dice=0.747,
        notes=CODE_READING,
    ),
    _info(
        "mt-hs-unet-taps",
        "MT-HS (U-net, taps)",
        UNET | NO_CASCADE,
        tables="4",
        seconds=44,
        mb=640,
        model_mb=6.0,
        notes=MATCHED,
    ),
    _info(
        "mt-casnet-unet",
        "MT-CasNet (U-net)",
        UNET | NO_SHARING,
        tables="4",
        seconds=69,
        mb=700,
        model_mb=10.11,
        c=0.696,
        dice=0.740,
    ),
    _info(
        "deepmts-unet",
        "DeepMTS (U-net)",
        UNET | NO_TAPS,
        tables="4",
        seconds=58,
        mb=700,
        model_mb=10.17,
        c=0.704,
        dice=0.745,
        notes=CODE_READING,
    ),
    _info(
        "deepmts-unet-taps",
        "DeepMTS (U-net, taps)",
        UNET,
        tables="4",
        seconds=59,
        mb=700,
        model_mb=10.19,
        notes=MATCHED,
    ),
    _info(
        "mt-hs-baseline",
        "MT-HS baseline",
        NO_CASCADE | NO_TAPS,
        tables="5",
        seconds=56,
        mb=700,
        model_mb=10.76,
        c=0.662,
        dice=0.760,
        notes="MT-HS without the 1x1x1 convolutions before the global averages",
    ),
)
