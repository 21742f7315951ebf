"""Shares of the GPUs of a Ray cluster, which counts cards and not their memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

CARD_MB = "gpu_memory_mb"
"""Resource by which a node says how many megabytes each of its GPUs has."""
SHARE_STEP = 1e-4
"""Ray counts shares of a GPU in such steps."""


def share_of_card(mb: float, nodes: Sequence[Mapping[str, float]]) -> float:
    """Return which share of a GPU a task takes, from 0 to 1: a whole one where it does not say how much it needs, or a
    node does not say what its GPUs hold. Ray chooses the node, so that the smallest GPU counts.

    Args:
        mb: megabytes that the task takes at most.
        nodes: resources of the nodes with a GPU.

    >>> share_of_card(6000, [{"GPU": 4, CARD_MB: 24000}, {"GPU": 1, CARD_MB: 80000}])
    0.25
    >>> share_of_card(6000, [{"GPU": 4, CARD_MB: 24000}, {"GPU": 1}]), share_of_card(math.inf, [{CARD_MB: 24000}])
    (1.0, 1.0)
    >>> share_of_card(8000, [{CARD_MB: 24000}])
    0.3333
    """
    smallest = min((node.get(CARD_MB, 0.0) for node in nodes), default=0.0)
    if mb >= smallest:
        return 1.0
    return round(max(math.floor(mb / smallest / SHARE_STEP + 1e-9), 1) * SHARE_STEP, 4)


def fits(share: float, held: Iterable[float], cards: int) -> bool:
    """Return whether a card has room for one more share, each of those that are held being where the first room is.

    >>> fits(0.6, [0.6], 2), fits(0.6, [0.6, 0.6], 2), fits(0.4, [0.6, 0.6], 2)
    (True, False, True)
    """
    free = [1.0] * cards
    for one in [*held, share]:
        card = next((n for n, room in enumerate(free) if one <= room + SHARE_STEP / 2), None)
        if card is None:
            return False
        free[card] -= one
    return True
