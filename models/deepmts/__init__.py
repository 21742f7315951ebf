"""DeepMTS: the multi-task network that the suite is named for in its published comparison."""

from __future__ import annotations

from survbench.api import MethodInfo, Published, Resources

TARGET = "survbench.models.deepmts.method:DeepMTS"
PAPER = "Meng et al., IEEE JBHI 26(9), 2022"

METHODS: tuple[MethodInfo, ...] = (
    MethodInfo(
        name="deepmts",
        title="DeepMTS",
        family="multi-task",
        target=TARGET,
        needs_fit=frozenset({"images", "mask", "clinical"}),
        needs_predict=frozenset({"images", "clinical"}),
        gives=frozenset({"risk", "segmentation", "embedding"}),
        stochastic=True,
        selects=True,
        resources=Resources(gpu=True, quick_seconds=42.0),
        tags=frozenset({"paper", "table-2", "table-3", "table-4"}),
        published=Published(source=f"{PAPER}, Table II", c_index=0.722, external_c_index=0.698, dice=0.760),
        reference="https://arxiv.org/abs/2109.07711",
    ),
)
