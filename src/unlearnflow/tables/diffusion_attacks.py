"""Diffusion models under attack: what is still there, beside retrain."""

from __future__ import annotations

import pandas as pd

from unlearnflow.quantities import Quantity, tidy

QUANTITIES = (
    Quantity("relearning", "steps_to_return", "relearn steps", 1,
             "Training steps on a few forgotten images until half of the forget prompts' images "
             "show the concept again; the largest budget where that never comes. Good: as "
             "retrain."),
    Quantity("relearning", "ain", "AIN", 2,
             "These steps over retrain's. Below 1: something is left. Empty where retrain is "
             "not brought back at all."),
    Quantity("relearning", "excess", "relearned - retrain", 3,
             "Share of images that show the concept, mean over budgets, minus retrain's. Good: 0."),
    Quantity("embedding_inversion", "steps_to_return", "inversion steps", 1,
             "Steps of a search for the prompt's embedding, no weight moves, until half of the "
             "images show the concept; the largest budget where that never comes."),
    Quantity("embedding_inversion", "excess", "inverted - retrain", 3,
             "Share of images that show the concept, mean over budgets, minus retrain's. Far "
             "above 0: the prompt was led elsewhere, the concept is still there."),
    Quantity("noise_inversion", "excess", "redrawn - retrain", 3,
             "Share of forgotten images redrawn from a part of their own noise, mean over parts, "
             "minus retrain's. Good: 0; below: pushed away from the concept."),
    Quantity("noise_inversion", "energy", "noise energy", 2,
             "Mean square of the noise that a forgotten image comes from; as retrain: 1 or so."),
    Quantity("membership", "auc", "denoising AUC", 3,
             "Forget rows against unseen rows of the same concept by denoising loss. The two "
             "sides may differ by themselves: read it beside retrain's."),
    Quantity("membership", "excess", "AUC - retrain", 3, "Good: 0."),
    Quantity("membership", "ratio", "loss ratio", 2,
             "Denoising loss of forget rows over retrain's. Below 1: still known; far above: "
             "worse than never met."),
)  # fmt: skip


def tabulate(table: pd.DataFrame) -> pd.DataFrame:
    """Return steps, shares and AUC of the four attacks, absolute and beside retrain's.

    Columns as in `tables.classifier`.
    """
    return tidy(table, QUANTITIES)
