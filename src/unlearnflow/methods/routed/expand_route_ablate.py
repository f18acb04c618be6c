"""Expand-Route-Ablate: forget rows teach extra units, which are then cut out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearnflow.rng import Stream
from unlearnflow.routing import contract, expand, routed
from unlearnflow.training import fit
from unlearnflow.types import Rows

Build = Callable[[], nn.Module]
State = dict[str, Tensor]


def train(
    build: Build, rows: Rows, labelled: Tensor, rng: Stream,
    *,
    units: int, epochs: int, where: Literal["leaving", "entering", "both"] = "leaving",
    original: float = 0.0, extra: float = 1.0, l1: float = 1e-4, batch_size: int = 128,
    optimizer: Literal["sgd", "adamw"] = "sgd", lr: float = 0.1, momentum: float = 0.9,
    weight_decay: float = 5e-4, schedule: Literal["cosine", "none"] = "cosine",
    augmentation: Literal["none", "shift", "shift_flip"] = "none", clip: float | None = None,
) -> State:  # fmt: skip
    """Train `build()` with `units` more units per hidden layer, the labelled rows routed to them.

        min_w mean_i CE(f~(x_i; w), y_i) + l1 sum_layers mean_positions sum_units max(h~, 0)
        h~ = m_i h + (1 - m_i) stopgrad(h) at each hidden layer

    m_i is (original, 1) on the original and the extra units for labelled rows, (1, extra) for all
    others. With extra = 1 rows that nobody labelled meet units which serve their kind already
    (the paper calls it absorption); with extra = 0 they teach the original units alone.

    rows: all training rows. labelled: bool (n,), the forget rows that are known to be such.
    units >= 1. original: factor on what labelled rows teach the original units: 0 nothing, (0, 1)
    less, below 0 the reverse. It multiplies at every layer that the gradient passes. where: see
    `routing.routed`. l1 >= 0: weight of the activations' L1 norm. The others as in `training.fit`.
    State: tensors of the expanded model; `model` gives the model. ValueError on bad settings.

    Reference: arXiv:2410.04332, section 4.2.1, and the authors' code (kxcloud/gradient-routing,
    projects/tinystories): 64 units in the MLPs of 5 of 8 layers, original -0.75, extra 1, l1 1e-4,
    AdamW 5e-4 with cosine decay, from fresh weights.
    Departures: 1. every hidden layer has extra units, a transformer's residual stream has not; so
    original = -0.75 changes its sign from layer to layer here, and 0 is the default. 2. L1 is
    taken on routed activations, so that labelled rows teach the original units nothing by it
    either, and on what batch normalisation lets through, before shortcuts are added.
    """
    if l1 < 0 or labelled.dtype != torch.bool or labelled.shape != rows.labels.shape:
        raise ValueError(
            f"expand_route_ablate: l1 {l1} must be >= 0 and labelled bool of shape "
            f"{tuple(rows.labels.shape)}, got {labelled.dtype} of {tuple(labelled.shape)}."
        )

    def loss(model: nn.Module, images: Tensor, index: Tensor) -> Tensor:
        chosen = labelled[index]
        with routed(model, chosen, units, where=where, original=original, extra=extra) as outputs:
            out = model(images)
        total = functional.cross_entropy(out, rows.labels[index])
        for h in outputs if l1 > 0 else []:
            total = total + l1 * h.relu().sum(1).mean()
        return total

    student = expand(build(), units, rng).to(rows.images.device)
    places = Rows(rows.images, torch.arange(len(rows), device=rows.labels.device))
    fit(
        student, places, rng, loss, epochs=epochs, batch_size=batch_size, optimizer=optimizer,
        lr=lr, momentum=momentum, weight_decay=weight_decay, schedule=schedule,
        augmentation=augmentation, clip=clip,
    )  # fmt: skip
    return _state(student)


def unlearn(
    state: State, build: Build, rows: Rows, rng: Stream,
    *,
    units: int, epochs: int, examples: int | None = None, batch_size: int = 64,
    optimizer: Literal["sgd", "adamw"] = "adamw", lr: float = 5e-5, momentum: float = 0.9,
    weight_decay: float = 5e-4, augmentation: Literal["none", "shift", "shift_flip"] = "none",
) -> State:  # fmt: skip
    """Cut the extra units out and fine-tune on retain rows for a while.

        w = argmin_v CE(D_r; v) from v0 = the original units of the expanded model

    rows: retain rows. units: as in training. epochs >= 0; 0 returns v0, bit for bit. examples:
    fine-tune on that many rows, drawn from `rng/examples`; None for all. Returned is the state of
    the architecture of `build()`; the old state stays. ValueError when it does not fit.

    Reference: as above; the authors take 40 steps of AdamW, lr 5e-5, on 64 examples and keep the
    step with the smallest validation loss. Departure: the last step is kept.
    """
    if examples is not None and not 1 <= examples <= len(rows):
        raise ValueError(
            f"expand_route_ablate: examples must be in 1..{len(rows)}, got {examples}."
        )
    student = contract(model(state, build, units), build(), units).to(rows.images.device)
    if examples is not None:
        drawn = torch.randperm(len(rows), generator=rng.child("examples").torch())[:examples]
        rows = rows.take(drawn.sort().values.to(rows.labels.device))
    if epochs > 0:
        fit(
            student, rows, rng, epochs=epochs, batch_size=batch_size, optimizer=optimizer, lr=lr,
            momentum=momentum, weight_decay=weight_decay, schedule="none",
            augmentation=augmentation,
        )  # fmt: skip
    return _state(student)


def model(state: State, build: Build, units: int) -> nn.Module:
    """Return the expanded model that carries a state, in eval mode; on the state's device."""
    made = expand(build(), units, Stream(0)).to(next(iter(state.values())).device)
    made.load_state_dict(state)
    return made.eval()


def _state(model: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
