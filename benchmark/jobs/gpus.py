"""The GPUs of a machine, and which task runs on which."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that tells CUDA which GPUs a process may use, by number or by unique id."""
STRIKES = 2
"""So many tasks in a row that end with an error of the GPU, and it is used no more."""

log = logging.getLogger(__name__)


def visible_names(count: int) -> tuple[str, ...]:
    """Return the names of the ``count`` GPUs that CUDA shows to this process, as a child's variable names them."""
    names = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return tuple(names[:count]) if len(names) >= count else tuple(str(number) for number in range(count))


@dataclass(slots=True)
class _Card:
    """A GPU: its memory, the megabytes that each task on it may take, and how often it was used and has failed."""

    memory_mb: float
    held: dict[str, float] = field(default_factory=dict)
    used: int = 0
    strikes: int = 0

    def has_room(self, mb: float) -> bool:
        return not self.held or sum(self.held.values()) + mb <= self.memory_mb


class Gpus:
    """Hands out the GPUs: each task gets one, and several share it where the memory that they declare allows.

    Args:
        memory_mb: megabytes by name of GPU.
    """

    def __init__(self, memory_mb: Mapping[str, float]) -> None:
        self._cards = {name: _Card(mb) for name, mb in memory_mb.items()}
        self._failed_on: dict[str, set[str]] = {}

    @property
    def usable(self) -> tuple[str, ...]:
        """Names of the GPUs that have not failed."""
        return tuple(name for name, card in self._cards.items() if card.strikes < STRIKES)

    def name_of(self, key: str) -> str | None:
        """Return the name of the GPU that a task has, or None."""
        return next((name for name, card in self._cards.items() if key in card.held), None)

    def take(self, key: str, mb: float = math.inf) -> bool:
        """Give a task a GPU if one has room: the one with the fewest tasks, of several the least used so far. A task
        does not return to a GPU that failed under it while there is another.

        Args:
            key: of the task.
            mb: megabytes that it may take; without a figure it has the GPU to itself.
        """
        others = [name for name in self.usable if name not in self._failed_on.get(key, ())]
        free = [card for name in others or self.usable if (card := self._cards[name]).has_room(mb)]
        if not free:
            return False
        card = min(free, key=lambda card: (len(card.held), card.used))
        card.held[key] = mb
        card.used += 1
        return True

    def leave(self, key: str, *, card_failed: bool) -> None:
        """Free the GPU of a task that has ended, if it has one; one that fails under several in a row is given up."""
        name = self.name_of(key)
        if name is None:
            return
        card = self._cards[name]
        del card.held[key]
        if not card_failed:
            card.strikes = 0
            return
        self._failed_on.setdefault(key, set()).add(name)
        card.strikes += 1
        if card.strikes == STRIKES:
            left = f"{len(self.usable)} left" if self.usable else "none is left"
            log.warning(
                "GPU %s is used no more: the last %d jobs on it ended with its errors; %s.", name, STRIKES, left
            )
