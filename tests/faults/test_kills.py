"""Rows 1 and 6 of the fault table: a run, a job or the server of jobs is killed, and nothing is lost."""

from __future__ import annotations

import pytest
from kills import kills

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


def test_rows_1_and_6_a_killed_run_goes_on_and_ends_as_one_that_nobody_killed(tmp_path):
    struck = list(kills(5, 1, tmp_path))
    assert {kill.target for kill in struck} == {"run", "job", "server"}
    assert [kill for kill in struck if not kill.survived] == []
    # whoever loses a job or the server goes on by itself
    assert {kill.code for kill in struck if kill.target != "run"} == {0}
