"""How much memory a device gives to this process, and how much it may."""

from __future__ import annotations

from collections.abc import Iterable

import torch

EACH = 4 << 30  # bytes of a GPU, of a process with the packaged model; seen were 3 GB with its largest batches
SHARED = 0.9  # of a GPU's memory; the rest is for what its driver keeps for each process


def device_memory(devices: Iterable[str]) -> dict[str, dict[str, int]]:
    """Bytes by device and kind, `allocated` and `reserved`; without devices whose memory is the process's own."""
    return {
        device: {"allocated": torch.cuda.memory_allocated(device), "reserved": torch.cuda.memory_reserved(device)}
        for device in sorted(set(devices))
        if device.startswith("cuda")
    }


def smallest_gpu_bytes() -> int:
    """Memory of the GPU, or of the smallest of several. Raises ValueError where there is none."""
    return min(torch.cuda.get_device_properties(n).total_memory for n in range(torch.cuda.device_count()))


def most_that_fit(processes: int, gpu_bytes: int) -> int:
    """As many of them as find enough memory on such a GPU; one in any case."""
    return max(1, min(processes, gpu_bytes // EACH))


def take_share(processes: int) -> None:
    """Use no more of each GPU than one of so many processes may; what is more is refused as if there were no more."""
    for device in range(torch.cuda.device_count()):
        torch.cuda.set_per_process_memory_fraction(SHARED / processes, device)
