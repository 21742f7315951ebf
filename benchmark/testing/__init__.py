"""What every method has to do, as checks that the author of a plugin runs."""

from survbench.testing.conformance import Check, check_method

__all__ = ["Check", "check_method"]
