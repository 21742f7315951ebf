"""What a comparison of two columns of risks should be read with: what may be wrong with the columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata
from survbench.datasets.checks.leaks import SAME
from survbench.datasets.checks.missing_codes import codes_for_missing
from survbench.errors import BenchError
from survbench.evaluation.risk_table import RiskTable

FEWEST_EVENTS, FEW_EVENTS = 2, 10
"""Events without which nothing can be compared, and below which no difference is known to a tenth."""


def refuse_too_little(table: RiskTable) -> None:
    """Refuse a table in which no patients can be compared.

    Raises:
        BenchError: there are fewer than two events, or each patient has a fold of its own.
    """
    events = int(table.event.sum())
    if events < FEWEST_EVENTS:
        had = "1 patient has" if events == 1 else "no patient has"
        raise BenchError(
            f"Risks are compared by patients who had the event, and {had}: {table.event_sentence}. Name the column and "
            "the code of the event with --event and --event-code."
        )
    if table.fold is not None and len(np.unique(table.fold)) == len(table.fold):
        raise BenchError(
            "Each patient has a fold of its own, and patients are compared within a fold. Name the column that says "
            "which model predicted a patient with --fold; if one model predicted all, remove the column."
        )


def risk_notes(table: RiskTable) -> Iterator[str]:
    """Yield what may be wrong with a table of risks, as sentences."""
    events = int(table.event.sum())
    if events < FEW_EVENTS:
        yield f"There are only {events} events, too few to compare models."
    for name, risk in ((table.a, table.risk_a), (table.b, table.risk_b)):
        rho = 0.0 if np.ptp(risk) == 0 else float(np.corrcoef(rankdata(risk), rankdata(table.time))[0, 1])
        if abs(rho) >= SAME:
            how = "as the times do" if rho > 0 else "as the times do, the other way round"
            yield f"{name} orders patients {how} (Spearman's rho {rho:.3f}): is it made from them?"
        for code, count in codes_for_missing(risk).items():
            times = "once" if count == 1 else f"{count} times"
            yield (
                f"{name} holds {code:g} ({times}), far outside its other values and a usual code for missing. If it is "
                "one, leave these patients out."
            )
