"""Profiles of users: what one may spend."""

from __future__ import annotations

import pytest
import yaml
from survbench.errors import BenchError
from survbench.plan.profile import builtin_profiles, load_profile


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("job_timeout_s", float("inf")),
        ("job_timeout_s", 1e300),
        ("resamples", 10**12),
        ("voxels", 1_600_000),
        ("phantom.train", 10**9),
        ("training.steps", 10**21),
        ("training.evaluations", 10**9),
        ("training.clip_norm", float("inf")),
        ("name", "x" * 300),
    ],
)
def test_a_budget_that_no_machine_has_is_refused(tmp_path, key, value):
    profile = builtin_profiles()["smoke"].model_dump(mode="json")
    *above, last = key.split(".")
    (profile[above[0]] if above else profile)[last] = value
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(profile))
    with pytest.raises(BenchError, match=rf"{key}: .*, given "):
        load_profile(str(tmp_path / "p.yaml"))


def test_a_batch_of_more_trials_than_there_are_is_refused(tmp_path):
    profile = builtin_profiles()["smoke"].model_dump(mode="json")
    for batch in (profile["tuning"]["trials"], profile["tuning"]["trials"] + 1):
        profile["tuning"]["batch"] = batch
        (tmp_path / f"{batch}.yaml").write_text(yaml.safe_dump(profile))
    assert load_profile(str(tmp_path / "3.yaml")).tuning.batch == 3
    with pytest.raises(BenchError, match=r"tuning: a batch of 4 is more than all 3 trials; give 1 to 3, given "):
        load_profile(str(tmp_path / "4.yaml"))
