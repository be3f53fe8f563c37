"""How much memory a device gives to this process."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def device_memory(devices: Iterable[str]) -> dict[str, dict[str, int]]:
    """Bytes by device and kind, `allocated` and `reserved`; without devices whose memory is the process's own."""
    return {
        device: {"allocated": torch.cuda.memory_allocated(device), "reserved": torch.cuda.memory_reserved(device)}
        for device in sorted(set(devices))
        if device.startswith("cuda")
    }
