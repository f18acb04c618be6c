"""How far a method moved the weights; a method that moved nothing has no result."""

from __future__ import annotations

import numpy as np


def measure(outputs: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Return absolute = ||w - w0||_2 and relative = absolute / ||w0||_2, over all parameters.

    Reports show a method with relative movement 0, other than `original`, as failed.
    """
    moved, norm = float(outputs["moved"]), float(outputs["base_norm"])
    return {"absolute": moved, "relative": moved / norm}
