"""Which folders can take what a command writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.errors import BenchError
from survbench.io.holding import held
from survbench.plan.profile import load_profile


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "file cannot be made: {0}/file is not a folder"),
        ("file/below/it", "it cannot be made: {0}/file is not a folder"),
        ("n" * 300, "cannot be made (File name too long)"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_what_cannot_be_a_folder_is_refused_before_the_plan_and_before_the_run(tmp_path, name, message):
    (tmp_path / "file").write_text("of somebody")
    out, expected = tmp_path / name, re.escape(message.format(tmp_path))
    with pytest.raises(BenchError, match=expected), held(out):
        pass
    with pytest.raises(BenchError, match=expected):
        dry_run(Request(profile=load_profile("smoke"), methods="volume", out=out))
    assert (tmp_path / "file").read_text() == "of somebody"


def test_a_device_is_not_a_folder():
    with (
        pytest.raises(BenchError, match="/dev/null cannot be made: /dev/null is not a folder"),
        held(Path("/dev/null")),
    ):
        pass
