"""What of a stage's settings can change the result for a window; part of the cache key and of the receipt.

Settings that only act when windows are merged (thresholds, number of sentences) are left out, and so are calibrations:
changing them keeps the cache warm.
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

from schemas.base import StageName
from workers.settings import StageSettings


def fingerprint(stage: StageName, settings: StageSettings) -> str:
    """16 hexadecimal digits."""
    matters = settings.classification.labels if stage is StageName.CLASSIFICATION else {}
    return blake2b(orjson.dumps([stage.value, list(matters.items())]), digest_size=8).hexdigest()
