"""Scikit-learn's digits: 1 797 real handwritten digits of 8x8 pixels."""

from __future__ import annotations

import numpy as np


def load() -> tuple[np.ndarray, np.ndarray, tuple[str, ...], None]:
    """Return images uint8 (1797, 1, 8, 8), labels int64 (1797,), class names, and no official test.

    The package's values are the integers 0..16; v becomes min(16 v, 255), from which v is
    recovered as ceil(x / 16). Source: E. Alpaydin and C. Kaynak, UCI Optical Recognition of
    Handwritten Digits (test set), CC BY 4.0, shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.minimum(digits.images * 16, 255).astype(np.uint8)[:, None]
    return images, digits.target.astype(np.int64), tuple("0123456789"), None
