"""The scripts in speed/ start, and what they call the plain form of the engine is one that learns alike."""

import doctest
import importlib
import runpy
import sys
from pathlib import Path

import pytest
import torch

SPEED = Path(__file__).parents[2] / "speed"
SCRIPTS = sorted(path for path in SPEED.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(SPEED)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_measures(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage:")


def test_the_plain_form_of_the_engine_is_another_form_with_the_same_losses():
    networks, training_step = importlib.import_module("networks"), importlib.import_module("training_step")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train = networks.patients(4, 32, torch.float64)
    ours = training_step.losses("mt-hs", train, batch=2, steps=2)
    plain = training_step.losses("mt-hs", train, None, batch=2, steps=2)
    torch.set_num_threads(threads)
    assert set(ours) == {"L", "L_seg", "L_sur", "L_2"}
    assert 0 < training_step.difference(ours, plain) < 1e-9


def test_the_examples_hold():
    tried = doctest.testmod(importlib.import_module("timing"))
    assert tried.attempted > 0
    assert tried.failed == 0
