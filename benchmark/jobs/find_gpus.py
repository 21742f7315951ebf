"""Which GPUs torch sees, asked in a process of its own: who asks CUDA for a GPU's memory keeps some of it."""

from __future__ import annotations

from survbench.jobs.executor import execute
from survbench.jobs.gpus import visible_names
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine


def find_gpus() -> dict[str, float]:
    """Return the megabytes of every GPU that torch sees, by the name that ``CUDA_VISIBLE_DEVICES`` gives it."""
    task = Task("gpus", _memory_mb, ())
    (ended,) = execute([task], place=ThisMachine(1))
    sizes: list[float] = ended.value or []
    return dict(zip(visible_names(len(sizes)), sizes, strict=True))


def _memory_mb() -> list[float]:
    import torch

    count = torch.cuda.device_count()
    return [torch.cuda.get_device_properties(number).total_memory / 1e6 for number in range(count)]
