"""Paired tests and intervals from arrays, under the name by which users import them.

See :mod:`survbench.statistics.significance`, :mod:`~survbench.statistics.bootstrap`,
:mod:`~survbench.statistics.paired_tests` and :mod:`~survbench.statistics.multiplicity`.
"""

from survbench.statistics.bootstrap import Bootstrap, Estimand, bootstrap
from survbench.statistics.multiplicity import AllPairs, adjust_by_group, all_pairs, benjamini_hochberg, holm, tie_groups
from survbench.statistics.paired_tests import (
    POWER,
    PairedTest,
    PermutationTest,
    compare_c,
    corrected_resampled_t,
    influence,
    paired_jackknife,
    rank_swap_test,
    rank_swap_tests,
    smallest_detectable_difference,
    standard_error,
)
from survbench.statistics.significance import Comparison, compare

__all__ = [
    "POWER",
    "AllPairs",
    "Bootstrap",
    "Comparison",
    "Estimand",
    "PairedTest",
    "PermutationTest",
    "adjust_by_group",
    "all_pairs",
    "benjamini_hochberg",
    "bootstrap",
    "compare",
    "compare_c",
    "corrected_resampled_t",
    "holm",
    "influence",
    "paired_jackknife",
    "rank_swap_test",
    "rank_swap_tests",
    "smallest_detectable_difference",
    "standard_error",
    "tie_groups",
]
