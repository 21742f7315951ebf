"""The page of an ingested cohort."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from survbench.datasets.checks.images import MissingFile
from survbench.datasets.checks.masks import TinyMask
from survbench.leaderboard.site.cohort_page import by_cause, cohort_page, far_numbers


def record(ml=10.0, suv=12.0, spacing=(2.0, 2.0, 3.0), notes=(), ct=True):
    chosen = {"series": "4.1", "why": "corrected for attenuation; most slices", "others": 2}
    image = {**chosen, "shape": [9, 9, 9], "spacing_mm": list(spacing)}
    of = {
        "pet": {**image, "range": [0.0, suv]},
        "suv": {"rule": "BQML: weight / dose", "delay_s": [3600.0]},
        "mask": {**chosen, "on": "pet", "regions": ["GTV"], "voxels": 1234, "ml": ml},
        "notes": list(notes),
    }
    return {**of, "ct": {**image, "range": [-1000.0, 1500.0]}} if ct else of


def page(records, findings=(), failed=(), pictures=None):
    return cohort_page(records, pictures or {}, findings, failed)


def order(text):
    return re.findall(r"<h2>(P\w+)</h2>", text)


def test_patients_with_errors_come_first_then_warnings_then_far_numbers_then_notes(tmp_path):
    records = {f"P{n}": record(ml=10 + n / 10) for n in range(8)}
    records |= {"P8": record(ml=900), "P9": record(notes=["odd"])}
    findings = [
        TinyMask.finding("The mask has one voxel.", subject="P5"),
        MissingFile.finding("Files are missing.", subject="P6"),
    ]
    pictures = dict.fromkeys(records, tmp_path / "none.jpg")
    text = page(records, findings, pictures=pictures)
    assert order(text) == ["P6", "P5", "P8", "P9", "P0", "P1", "P2", "P3", "P4", "P7"]
    assert "volume of the mask: high (z +" in text
    assert "series 4.1, corrected for attenuation; most slices; 2 others not shown" in text


def test_far_is_the_modified_z_score_of_iglewicz_and_hoaglin():
    values = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 90.0]
    found = far_numbers({f"P{n}": record(ml=value) for n, value in enumerate(values)})
    logs = np.log(values)
    z = 0.6745 * (logs[-1] - np.median(logs)) / np.median(np.abs(logs - np.median(logs)))
    assert found == {"P7": [("volume of the mask", pytest.approx(z, rel=1e-3))]}


def test_one_who_differs_where_all_others_are_equal_is_far_and_of_seven_nobody_is():
    records = {f"P{n}": record() for n in range(7)}
    other = {"P7": record(spacing=(4.0, 4.0, 3.0))}
    assert [name for name, _ in far_numbers({**records, **other})["P7"]] == ["voxel of the PET", "voxel of the CT"]
    assert far_numbers({**{k: v for k, v in records.items() if k != "P0"}, **other}) == {}
    assert far_numbers(records) == {}


def test_everything_is_escaped_and_nothing_is_loaded_from_elsewhere(tmp_path):
    nasty = "<script>alert(1)</script>\"&'"
    of = record(notes=[nasty], ct=False)
    of["mask"]["regions"] = [nasty]
    of["pet"]["why"] = nasty
    (tmp_path / "p.jpg").write_bytes(b"\xff\xd8")
    text = page({"P1": of}, failed=by_cause([("P2", nasty), ("P3", nasty)]), pictures={"P1": tmp_path / "p.jpg"})

    tags, sources = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            sources.extend(value for name, value in attrs if name in {"src", "href"})

    Reader().feed(text)
    assert "script" not in tags
    assert all(source.startswith("data:") for source in sources)
    assert "<dd>2</dd>" in text
    assert "P2, P3" in text


def test_causes_are_listed_the_most_frequent_first():
    assert by_cause([("P3", "b"), ("P1", "a"), ("P2", "b")]) == [("b", ["P2", "P3"]), ("a", ["P1"])]


def test_the_style_of_the_page_is_css_and_not_escaped():
    style = page({}).partition("<style>")[2].partition("</style>")[0]
    assert "font:" in style
    assert "&#" not in style
