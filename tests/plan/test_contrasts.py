"""The paper's contrasts: names that exist, P values that the paper prints, adjustment within a table."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.plan.contrasts import adjust_within, paper_contrasts
from survbench.plan.registry import registry
from survbench.statistics.multiplicity import benjamini_hochberg, holm


def test_contrasts_name_methods_and_go_the_way_of_the_published_c():
    methods = registry().methods
    for table in paper_contrasts():
        for contrast in table.contrasts:
            better, worse = (methods[name].published for name in (contrast.a, contrast.b))
            assert better.c_index > worse.c_index, contrast
    assert len({t.name for t in paper_contrasts()}) == len(paper_contrasts()) == 4


# Meng 2022: the P values of the results, in the order of the text beside each table; training/testing set in table II
PRINTED = {
    "II": "0.016/0.027 0.026/0.045 0.034/0.042 0.012/0.027",
    "III": "0.042 0.017 0.008 0.036 0.024 0.020",
    "IV": "0.011 0.021 0.039 >0.05",
    "V": "0.038",
}


def test_published_p_values_are_the_papers():
    quoted = {}
    for table in paper_contrasts():
        pairs = [[p for p in (c.published, c.published_external) if p is not None] for c in table.contrasts]
        text = ["/".join(p.replace(" ", "") if isinstance(p, str) else f"{p:.3f}" for p in pair) for pair in pairs]
        quoted[table.paper_table] = " ".join(text)
    assert quoted == PRINTED


def test_adjustment_stays_within_the_table_and_leaves_out_what_was_not_tested():
    table = paper_contrasts()[2]
    tested = {(c.a, c.b): p for c, p in zip(table.contrasts[:3], (0.03, 0.01, 0.02), strict=True)}
    found = adjust_within(table, {**tested, ("another", "table"): 0.5})
    assert [f.p_holm for f in found[:3]] == pytest.approx(holm([0.03, 0.01, 0.02]))
    assert [f.p_bh for f in found[:3]] == pytest.approx(benjamini_hochberg([0.03, 0.01, 0.02]))
    assert np.isnan([found[3].p, found[3].p_holm, found[3].p_bh]).all()
