"""Kernel distance of judge features of retain prompts: to real images, to the original's."""

from __future__ import annotations

import numpy as np

from unlearnflow.kernel_distance import mmd2


def measure(
    judged: dict[str, np.ndarray], original_judged: dict[str, np.ndarray],
    real: dict[str, np.ndarray],
) -> dict[str, float]:  # fmt: skip
    """Return kid_real and kid_original: unbiased MMD^2, k(x, y) = (x.y / d + 1)^3, on all images.

    Of retain prompts; see the Frechet distance's docstring for what is real. It may be negative.
    All rows at once: with few images subsets would only add noise.
    Reference: Binkowski et al. 2018 (arXiv:1801.01401).
    """
    kept = ~judged["forget"]
    ours = judged["features"][kept]
    true = real["features"][np.isin(real["labels"], judged["prompt"][kept])]
    first = original_judged["features"][~original_judged["forget"]]
    return {"kid_real": mmd2(ours, true), "kid_original": mmd2(ours, first)}
