"""Images of every prompt, the same noise for every model."""

from __future__ import annotations

from typing import Any

import numpy as np

from unlearnflow.denoiser import Denoiser
from unlearnflow.denoising import Conditions
from unlearnflow.drawing import draw
from unlearnflow.rng import Stream
from unlearnflow.shelf import Keep


def gather(
    model: Denoiser, conditions: Conditions, sampling: dict[str, Any], rng: Stream,
    keep: Keep, *, per_condition: int = 10,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return images uint8 (n, C, H, W), prompt int64 (n,), forget bool (n,); see `drawing.draw`."""
    return draw(model, conditions, sampling, rng, per_condition, keep)
