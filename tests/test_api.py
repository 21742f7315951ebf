"""What methods declare and are given."""

from __future__ import annotations

import pytest
from survbench.api import MethodInfo, Seeds


def test_only_reference_rows_may_see_the_truth():
    with pytest.raises(ValueError, match="only reference rows"):
        MethodInfo(name="x", title="x", family="marker", target="a:B", needs_predict=frozenset({"truth"}))


def test_seeds_differ_by_axis_fold_seed_and_method_and_repeat():
    base = Seeds(0, 0, "a")
    others = [Seeds(1, 0, "a"), Seeds(0, 1, "a"), Seeds(0, 0, "b")]
    assert base.of("init") == Seeds(0, 0, "a").of("init")
    assert len({s.of("init") for s in [base, *others]} | {base.of("sampler")}) == 5
