"""Methods as a job makes them: what they were given, and what nobody declared."""

from __future__ import annotations

from survbench.plan.registry import registry
from survbench.work.construct import construct, settings


def test_the_settings_of_a_method_are_what_it_was_given_and_the_defaults_of_its_bases():
    info = registry().get("mt-casnet-unet")
    found = settings(construct(info.target, info.params), info.params)
    assert (found["backbone"], found["l2"]) == ("unet", 0.1)
    assert found["schedule"][1] == [2500, 5e-5]  # of the class that it inherits from

    class Odd:
        def __init__(self, *, loss=len, rate=float("inf"), layers=(1, 2)): ...

    assert settings(Odd(), {}) == {"loss": "<built-in function len>", "rate": "inf", "layers": [1, 2]}
