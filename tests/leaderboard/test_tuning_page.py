"""What a search found, drawn."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.leaderboard.site.charts import svg
from survbench.leaderboard.site.tuning_page import Search, charts, importance
from survbench.space import Choice, Real, Whole
from survbench.work.tuned import Tuned

SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 100, log=True), "kind": Choice(("a", "b"))}


def search_of(trials):
    found = Tuned.model_validate({"trials": [{"steps": {}, **trial} for trial in trials]})
    return Search(key="k", method="m", title="M", where="seed 0 fold 0", space=SPACE, tuned=found)


def test_scores_are_drawn_by_the_scale_of_each_hyper_parameter():
    drawn_params = [
        {},
        {"x": -1.0, "n": 2, "kind": "a"},
        {"x": 1.0, "n": 50, "kind": "b"},
        {"x": 2.0, "n": 9, "kind": "a"},
    ]
    trials = [
        {"number": n, "state": "complete", "value": v, "params": p, "error": ""}
        for n, (v, p) in enumerate(zip((0.5, 0.6, None, 0.55), drawn_params, strict=True))
    ]
    search = search_of(trials)
    course, x, n, kind = charts(search).values()
    dots, best = course.lines
    assert (list(dots.x), list(best.y)) == ([0, 1, 3], [0.5, 0.6, 0.6])
    assert (x.x_log, n.x_log, kind.x_names) == (False, True, ("a", "b"))
    assert [list(c.lines[0].x) for c in (x, n, kind)] == [[-1.0, 2.0], [2.0, 9.0], [0.0, 0.0]]
    assert kind.lines[0].mark == (0.0, 0.6), "what was chosen is ringed"
    assert ">b</text>" in svg(kind)
    assert importance(search) == (), "two trials say nothing"


def test_what_decides_the_score_is_the_most_important():
    rng = np.random.default_rng(0)
    trials = [
        {"number": k, "state": "complete", "value": -abs(x), "params": {"x": x, "n": n, "kind": "a"}, "error": ""}
        for k, (x, n) in enumerate(zip(rng.uniform(-4, 4, 30).tolist(), rng.integers(1, 100, 30).tolist(), strict=True))
    ]
    shares = importance(search_of(trials))
    assert shares[0][0] == "x"
    assert sum(share for _, share, _ in shares) == pytest.approx(1)
