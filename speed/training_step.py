"""Print what a training step of DeepMTS costs by memory layout and grid; CPU seconds on one thread, or GPU seconds.

Ratios within one run count, not seconds. ``training_step.py [--device cuda] [--batch N] [--voxels X Y Z]``
"""

from __future__ import annotations

import argparse
import time

import torch
from survbench.models.engine.losses import cox_loss, dice_loss, l2_penalty
from survbench.models.networks.deepmts.network import DeepMTSNetwork, Parts

STEPS = 3


def step(network: DeepMTSNetwork, optimizer: torch.optim.Optimizer, batch: tuple[torch.Tensor, ...]) -> None:
    """Take one step: forward, the three losses, backward, Adam."""
    images, clinical, mask, months, event = batch
    output = network(images, clinical)
    assert output.risk is not None  # noqa: S101  # the whole network predicts both
    assert output.probability is not None  # noqa: S101
    assert network.head is not None  # noqa: S101
    loss = (
        dice_loss(output.probability, mask) + cox_loss(output.risk, months, event) + l2_penalty(network.head.kernels())
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def seconds(device: torch.device) -> float:
    """Return CPU seconds, or on a GPU wall seconds once its work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def measure(layout: torch.memory_format, device: torch.device, batch: int, voxels: tuple[int, ...]) -> float:
    """Return the seconds of one step, after one that does not count."""
    torch.manual_seed(0)
    network = DeepMTSNetwork(2, 1, Parts()).to(device)
    network.to(memory_format=layout)  # type: ignore[call-overload]
    data = (
        torch.randn(batch, 2, *voxels, device=device).contiguous(memory_format=layout),
        torch.zeros(batch, 1, device=device),
        torch.rand(batch, 1, *voxels, device=device) > 0.9,
        torch.rand(batch, device=device),
        torch.arange(batch, device=device) % 2 == 0,
    )
    optimizer = torch.optim.Adam(network.parameters(), eps=1e-7)
    step(network, optimizer, data)
    started = seconds(device)
    for _ in range(STEPS):
        step(network, optimizer, data)
    return (seconds(device) - started) / STEPS


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--voxels", type=int, nargs=3, default=(32, 32, 32))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(chosen.device)
    plain = measure(torch.contiguous_format, device, chosen.batch, tuple(chosen.voxels))
    last = measure(torch.channels_last_3d, device, chosen.batch, tuple(chosen.voxels))
    grid = " x ".join(map(str, chosen.voxels))
    print(
        f"DeepMTS, batch {chosen.batch} of {grid}: contiguous {plain:.2f} s, channels last {last:.2f} s "
        f"({plain / last:.2f} times faster)"
    )
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
