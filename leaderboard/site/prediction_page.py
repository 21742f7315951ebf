"""The report of one patient's prediction: a page that prints on one sheet."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from survbench.api import SURVIVAL_MONTHS
from survbench.evaluation.new_patient import RANGE, RESEARCH_ONLY, NewPatient, Placed, Predictor
from survbench.leaderboard.site.assets import static, template
from survbench.leaderboard.site.charts import Chart, Line, svg


def prediction_page(patient: NewPatient, predictor: Predictor) -> str:
    """Return the report of a patient as one self-contained file."""
    page: str = template("prediction.html.j2").render(
        patient=patient,
        predictor=predictor,
        study=predictor.study,
        research_only=RESEARCH_ONLY,
        range=RANGE,
        place=_place_chart(patient.all_models, predictor),
        curve=_survival_chart(patient.all_models, predictor),
        months=patient.all_models.at(predictor.months),
        curve_source=patient.by_model[0].source,
        style=Markup(static("board.css", "chart.css", "prediction.css")),  # noqa: S704  # ours
    )
    return page


def _place_chart(placed: Placed, predictor: Predictor) -> Markup:
    """Return the out-of-fold risks as a cumulative share, with the patient ringed."""
    risks = np.sort(predictor.reference.risks)
    share = 100 * np.arange(1, len(risks) + 1) / len(risks)
    low, high = min(risks[0], placed.risk), max(risks[-1], placed.risk)
    margin = 0.05 * (high - low) or 1.0  # a method that gives everybody the same risk
    return svg(
        Chart(
            title="The patient's risk among the out-of-fold risks of the study",
            x_label="Standardised risk",
            y_label="Patients at or below (%)",
            lines=(
                Line(label=f"{len(risks)} patients", colour=1, x=risks.tolist(), y=share.tolist(), style="steps"),
                Line(label="this patient", colour=2, x=[placed.risk], y=[placed.percentile], style="dots"),
            ),
            x_range=(low - margin, high + margin),
            y_range=(0, 100),
        )
    )


def _survival_chart(placed: Placed, predictor: Predictor) -> Markup | None:
    if placed.survival is None or placed.low is None or placed.high is None:
        return None
    observed = predictor.study.cohort.longest_months >= SURVIVAL_MONTHS
    if not observed.any():
        return None
    x, mean, low, high = (
        [start, *values[observed].tolist()]
        for start, values in ((0.0, SURVIVAL_MONTHS), (1.0, placed.survival), (1.0, placed.low), (1.0, placed.high))
    )
    several = placed.models > 1
    line = Line(
        label="mean of the models" if several else "the model",
        colour=1,
        x=x,
        y=mean,
        low=low if several else (),
        high=high if several else (),
    )
    return svg(
        Chart(
            title="Predicted survival with the range of the models",
            x_label="Months",
            y_label="Event-free share",
            lines=(line,),
            x_range=(0, x[-1]),
            y_range=(0, 1),
        )
    )
