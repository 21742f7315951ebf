"""The paper's figures of convergence in our numbers."""

from __future__ import annotations

import pytest
from survbench.evaluation.curves import curves
from survbench.leaderboard.site import paper_figures
from toy_curves import Fit, monitored


@pytest.mark.parametrize(
    ("fits", "onset", "said"),
    [
        (((4, 2, 3), (5, 2, 4)), 20, "step 20"),
        (((4, 2, 3), (4, 3, 2.5)), None, "none seen up to step 30"),
        (((4, 3, 2), (4, 3, 2)), None, "none seen up to step 30"),
        (((4, 2, 3), (4, 2)), None, "none seen up to step 30"),
    ],
    ids=["every fit rises", "one falls on", "all fall", "one does not reach the end"],
)
def test_an_onset_is_a_rise_of_every_fit(fits, onset, said):
    (curve,) = curves([Fit(monitored(*values), [1.0, 2.0], [True, True]) for values in fits])
    assert curve.onset == onset
    found = paper_figures.Onset(method="m", title="M", curve=curve, published="none seen")
    assert found.in_words == said
    (line,) = (line for line in paper_figures.convergence_lines([curve], marked=True) if line.colour == 2)
    assert (line.mark is not None) == (onset is not None), "what is no onset has no ring"


def drawn(number, of):
    """Return the panels of a figure, from the curves of methods."""
    chosen = next(f for f in paper_figures.FIGURES if f.number == number)
    return paper_figures.draw(
        chosen, {name: curves([Fit(rows, [1.0, 2.0], [True, True])]) for name, rows in of.items()}, {n: n for n in of}
    )


def test_figure_seven_holds_both_methods_in_one_frame_per_loss():
    rows = [*monitored(1.0, 1.0, split="train"), *monitored(-0.5, -0.6, metric="L_seg", split="train")]
    high = [(step, split, metric, value + 8) for step, split, metric, value in rows]
    survival, segmentation = drawn(7, {"mt-hs": rows, "mt-hs-baseline": high})
    for panel, metric in ((survival, "L_sur"), (segmentation, "L_seg")):
        assert [line.label for line in panel.chart.lines] == ["mt-hs-baseline", "mt-hs"]
        assert panel.chart.y_label == metric
        low, top = panel.chart.y_range
        assert all(low <= y <= top for line in panel.chart.lines for y in line.y)


def test_panels_of_one_loss_have_one_range():
    small, large = monitored(1.0, 1.2, split="train"), monitored(7.0, 9.0, split="train")
    panels = drawn(5, {"sur-hs": small, "mt-hs": large})
    assert [panel.chart is None for panel in panels] == [False, True, False, True]
    assert panels[0].chart.y_range == panels[2].chart.y_range
    seg = [(step, split, "L_seg", value) for step, split, _, value in small]
    backbone, both, survival = drawn(6, {"unet": seg, "deepmts": [*large, *seg]})
    assert backbone.chart.y_range == both.chart.y_range != survival.chart.y_range
