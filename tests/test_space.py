"""Search spaces: as JSON, and as methods declare them."""

from __future__ import annotations

import json

import optuna
from survbench.plan.registry import registry
from survbench.space import Choice, Real, Whole, space_from_json, space_to_json, suggest

SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 100, log=True), "kind": Choice(("a", "b"))}


def test_spaces_survive_json():
    assert space_from_json(json.loads(json.dumps(space_to_json(SPACE)))) == SPACE


def test_every_method_of_table_two_has_a_space_whose_params_it_takes():
    members = [m for m in registry().methods.values() if "table-2" in m.tags]
    assert len(members) == 10
    for info in members:
        assert info.space, info.name
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(5):
            params = suggest(study.ask(), info.space)
            assert params.keys() == info.space.keys()
            assert not params.keys() & info.params.keys()
