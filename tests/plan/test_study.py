"""Studies as they are written and found again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from survbench.actions.find_study import find_study
from survbench.errors import BenchError
from survbench.io.stored import checked, with_checksum
from survbench.plan.registry import registry
from survbench.plan.study import Entry, find_studies, read_study
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
    path.write_text(json.dumps({key: value for key, value in raw.items() if key != "sha256"}))
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


def changed(folder, **keys):
    """Write other content into a study's file, as another version would write it."""
    path = folder / "study.json"
    path.write_text(json.dumps(with_checksum({**checked(json.loads(path.read_text())), **keys})))


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"schema": 1}, "cannot be read (ValueError: schema 1, not "),
        ({"cohort": {}}, "cannot be read (name: Field required; "),
        ({"entries": [3]}, "cannot be read (TypeError: "),
    ],
)
def test_a_study_that_cannot_be_read_says_why_and_stops_no_other(tmp_path, caplog, keys, why):
    good, bad = study([]), replace(study([]), name="toy-smoke-11111111")
    for each in (good, bad):
        each.write(tmp_path)
    changed(bad.folder(tmp_path), **keys)
    with pytest.raises(BenchError) as caught:
        read_study(bad.folder(tmp_path))
    assert why in str(caught.value)
    assert "'bench run' writes it again" in str(caught.value)
    assert find_study(tmp_path, good.name).name == good.name
    assert caplog.text == ""
    assert [each.name for each in find_studies(tmp_path)] == [good.name]
    assert why in caplog.text
