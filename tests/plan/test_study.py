"""Studies as they are found again."""

from __future__ import annotations

import pytest
from survbench.errors import BenchError


def test_without_a_study_the_message_says_what_to_do(tmp_path):
    from survbench.plan.study import latest_study

    with pytest.raises(BenchError, match="bench run"):
        latest_study(tmp_path)
