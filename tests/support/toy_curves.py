"""Fits that are nothing but curves of training."""

from __future__ import annotations

import pandas as pd


class Fit:
    """A run that has these curves and test patients alone."""

    def __init__(self, rows, time=(), event=()):
        self.rows, self.outcome = rows, {"time": time, "event": event}

    def curves(self):
        return pd.DataFrame(self.rows, columns=["step", "split", "metric", "value"])

    def predictions(self):
        return pd.DataFrame(self.outcome)


def monitored(*values, metric="L_sur", split="test"):
    """Return the rows of a curve at the steps 10, 20, ..."""
    return [(10 * number, split, metric, value) for number, value in enumerate(values, start=1)]
