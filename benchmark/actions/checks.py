"""All checks, of inputs and of boards, ours and those of plugins; and the codes by which users name them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from survbench.datasets.checks.catalogue import CODE, input_checks
from survbench.errors import BenchError, UnknownNameError
from survbench.findings import Check
from survbench.leaderboard.board.checks import BOARD_CHECKS


def all_checks() -> tuple[type[Check], ...]:
    """Return all checks: of inputs by code, of boards, and of plugins."""
    ours = [check for check in input_checks() if check.__module__.startswith("survbench.")]
    plugins = [check for check in input_checks() if check not in ours]
    return (*ours, *BOARD_CHECKS, *plugins)


def as_code(given: str) -> str:
    """Return a code as it is declared; codes of survbench may be given in lower case."""
    return given.upper() if re.fullmatch("SB[0-9]+", given, re.IGNORECASE) else given


def check_of(code: str) -> type[Check]:
    """Return the check with this code.

    Raises:
        UnknownNameError: no check has it.
    """
    known = {check.code: check for check in all_checks()}
    if code not in known:
        raise UnknownNameError("check", code, known, see="'bench list checks'")
    return known[code]


def refuse_unknown(name: str) -> None:
    """Refuse a name that looks like the code of a check but is not one.

    Raises:
        UnknownNameError: no check has this code.
    """
    if CODE.fullmatch(name):
        check_of(name)


def ignored_codes(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the codes of the findings that the user chooses to ignore.

    Args:
        given: one text with commas, or several texts; None for none.

    Raises:
        BenchError: a code is missing or unknown, or its findings cannot be ignored.
    """
    texts = [given] if isinstance(given, str) else given or ()
    codes = tuple(as_code(part.strip()) for text in texts for part in text.split(","))
    if not all(codes):
        raise BenchError("ignore: a code is missing. Give one such as SB306, or several with commas.")
    for check in map(check_of, codes):
        if check.part == "board":
            raise BenchError(f"{check.code} is a check of boards. It never stops a run, so there is nothing to ignore.")
        if not check.ignorable:
            raise BenchError(
                f"{check.code} ({check.title}) cannot be ignored: the data cannot be used as they are. Correct them, "
                "or leave patients out with --skip-bad."
            )
    return codes
