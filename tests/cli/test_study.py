"""``bench study`` and ``bench doctor``; what needs a finished run is in test_run."""

from __future__ import annotations

import json
import os
import platform

import pytest
from survbench.actions import null_check


@pytest.mark.parametrize("arguments", [["board"], ["import", "risks.csv", "--name", "mine"]], ids=" ".join)
def test_without_a_study_the_first_step_is_named(bench, tmp_path, arguments):
    ended = bench("study", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: There is no study under {tmp_path / 'bench-results'}. Start one with")


def test_a_leak_ends_the_null_check_with_1(bench, tmp_path, monkeypatch):
    results = [null_check.NullResult("volume", 20, 0.51, 0.01), null_check.NullResult("leaks", 20, 0.9, 0.01)]
    monkeypatch.setattr(null_check, "null_check", lambda request, *, permutations: results)
    ended = bench("study", "null-check", "--methods", "volume")
    assert ended.returncode == 1
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["volume", "leaks"]
    assert [line.split(": ")[1] for line in ended.stdout.splitlines()] == ["as chance", "LEAKS"]
    told = json.loads(bench("study", "null-check", "--methods", "volume", "--json").stdout)
    assert [(r["method"], r["passed"]) for r in told] == [("volume", True), ("leaks", False)]
    monkeypatch.setattr(null_check, "null_check", lambda request, *, permutations: results[:1])
    assert bench("study", "null-check", "--methods", "volume").returncode == 0


def test_the_null_check_takes_what_a_run_takes_for_findings(bench, monkeypatch):
    asked = []
    monkeypatch.setattr(null_check, "null_check", lambda request, *, permutations: asked.append(request) or [])
    assert bench("study", "null-check", "--methods", "volume", "--ignore", "SB306", "--skip-bad").returncode == 0
    assert (asked[0].ignored, asked[0].skip_bad) == (("SB306",), True)


def test_on_another_system_doctor_says_what_to_do_and_every_command_warns(bench, monkeypatch, caplog):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.delattr(os, "sched_getaffinity")
    ended = bench("doctor")
    assert ended.returncode == 1
    assert [line.split()[:3] for line in ended.stdout.splitlines()[:1]] == [["MISS", "system", "Darwin"]]
    assert "container" in ended.stdout
    caplog.clear()
    assert bench("list", "groups").returncode == 0
    assert [r.getMessage() for r in caplog.records] == [
        "survbench needs Linux to run jobs; this is Darwin. 'bench doctor' says what to do."
    ]


def test_doctor_names_versions_and_devices(bench):
    names = {c["name"] for c in json.loads(bench("doctor", "--json").stdout)}
    assert {"python", "torch", "GPU", "disk", "methods"} <= names
