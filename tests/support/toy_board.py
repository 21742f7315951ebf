"""A board of five methods: a good, a fair and a bad one, the best that can be, and one that only segments."""

from __future__ import annotations

import numpy as np
from survbench.leaderboard.board.build import build_board
from toy_study import TIME, method, study

RNG = np.random.default_rng(7)
GOOD, FAIR, BAD = (-TIME + scale * RNG.normal(size=30) for scale in (5.0, 25.0, 1000.0))


def five_methods(store):
    """Write them into a store; return their board."""
    entries = [
        method(store, "radiomics-lasso-cox", FAIR, family="radiomics"),
        method(store, "good", GOOD),
        method(store, "bad", np.stack([BAD, FAIR])),
        method(store, "oracle", -TIME, family="reference"),
        method(store, "segments", np.full(30, np.nan), gives=("segmentation",), dice=0.7, family="ablation"),
    ]
    return build_board(study(entries, external=False), store)


def rows(board):
    """Return a board's rows by method."""
    return {row.method: row for row in board.rows}
