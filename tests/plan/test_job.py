"""What a job says of itself: who works on it, what it is called, and how much it works."""

import inspect
from pkgutil import resolve_name
from typing import get_args

import pytest
from jobs import a_fit, a_prediction, a_search
from survbench.plan.job import FittingJob, PlannedJob


@pytest.mark.parametrize("kind", get_args(PlannedJob))
def test_a_planned_kind_names_a_function_that_takes_the_job_and_outcomes_only_if_it_fits(kind):
    worker = resolve_name(kind.worker)
    outcomes = ["follow_up"] if issubclass(kind, FittingJob) else []
    assert list(inspect.signature(worker).parameters) == ["job", "out", *outcomes]
    assert inspect.get_annotations(worker)["job"] == kind.__name__


def test_the_label_says_what_a_job_does_beside_fitting():
    jobs = (a_fit("a"), a_search("b"), a_prediction("c"))
    assert [job.label for job in jobs] == ["m seed 0 fold 0", "m seed 0 all folds tuning", "m seed 0 fold 0 external"]
