"""What methods declare and are given."""

from __future__ import annotations

import pytest
from survbench.api import MethodInfo, Seeds


def test_only_reference_rows_may_see_the_truth():
    with pytest.raises(ValueError, match="only reference rows"):
        MethodInfo(name="x", title="x", family="marker", target="a:B", needs_predict=frozenset({"truth"}))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"group": "papers"}, "group 'papers' is not one of paper, related, simple, successors, marker, ensemble, ou"),
        ({"group": "reference"}, "the family and the group of a reference row are both 'reference'"),
        ({"family": "reference", "group": "outside"}, "the family and the group of a reference row are both 'ref"),
        (
            {"tags": frozenset({"table-2", "paper"})},
            "tag 'paper' is the name of a group; declare group='paper' instead",
        ),
    ],
)
def test_a_wrong_group_is_refused_with_what_is_allowed(declared, message):
    with pytest.raises(ValueError, match=message):
        MethodInfo(**{"name": "x", "title": "x", "family": "radiomics", "target": "a:B", **declared})


@pytest.mark.parametrize(
    ("family", "group"), [("radiomics", "outside"), ("marker", "marker"), ("reference", "reference")]
)
def test_a_method_that_declares_no_group_is_outside_unless_its_family_is_a_group(family, group):
    assert MethodInfo(name="x", title="x", family=family, target="a:B").group == group


def test_seeds_differ_by_axis_fold_seed_and_method_and_repeat():
    base = Seeds(0, 0, "a")
    others = [Seeds(1, 0, "a"), Seeds(0, 1, "a"), Seeds(0, 0, "b")]
    assert base.of("init") == Seeds(0, 0, "a").of("init")
    assert len({s.of("init") for s in [base, *others]} | {base.of("sampler")}) == 5
