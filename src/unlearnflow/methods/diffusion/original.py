"""The model before unlearning: whose pictures integrity asks for."""

from __future__ import annotations

from unlearnflow.denoiser import Denoiser
from unlearnflow.denoising import GenerationData
from unlearnflow.rng import Stream

DETERMINISTIC = True


def unlearn(model: Denoiser, data: GenerationData, rng: Stream) -> Denoiser:
    """Return w = w0, bit for bit."""
    return model.copy()
