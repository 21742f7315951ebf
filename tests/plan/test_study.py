"""Studies as they are written and found again."""

from __future__ import annotations

import json

import pytest
from survbench.errors import BenchError
from survbench.plan.registry import registry
from survbench.plan.study import Entry, read_study
from toy_study import study


def test_a_study_is_read_as_it_was_written(tmp_path):
    written = study([Entry.of(info) for info in registry().methods.values()])
    written.write(tmp_path)
    found = read_study(written.folder(tmp_path))
    assert {e.name: e.group for e in found.entries} == {name: m.group for name, m in registry().methods.items()}


def test_a_study_from_before_groups_were_declared_is_read(tmp_path):
    """Its paper's rows had a tag; markers and reference rows are families; of all else nothing is known."""
    made = {
        "radiomics-rsf": {"family": "radiomics", "tags": ["paper", "table-2"]},
        "volume": {"family": "marker", "tags": []},
        "oracle": {"family": "reference", "tags": []},
        "clinical-cox": {"family": "clinical", "tags": []},
        "in-r": {"family": "outside", "tags": [], "imported": True},
    }
    written = study([Entry(name=name, title=name, family="", gives=("risk",)) for name in made])
    written.write(tmp_path)
    path = written.folder(tmp_path) / "study.json"
    raw = json.loads(path.read_text())
    for entry in raw["entries"]:
        del entry["group"]
        entry.update(made[entry["name"]])
    path.write_text(json.dumps(raw))
    assert {e.name: e.group for e in read_study(path.parent).entries} == {
        "radiomics-rsf": "paper",
        "volume": "marker",
        "oracle": "reference",
        "clinical-cox": "outside",
        "in-r": "outside",
    }


def test_without_a_study_the_message_says_what_to_do(tmp_path):
    from survbench.plan.study import latest_study

    with pytest.raises(BenchError, match="bench run"):
        latest_study(tmp_path)
