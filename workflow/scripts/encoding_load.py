"""How an autoencoder and its certificate decoders go into one file and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

SHARED = ("epochs", "batch_size", "lr", "weight_decay")
"""Settings with which certificates are trained as the autoencoder is."""


def certificate(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a certificate's training."""
    return {name: settings[name] for name in SHARED if name in settings}


def pack(model: nn.Module, decoders: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Return all tensors under the name of their part."""
    parts = {"model": model, **decoders}
    return {f"{p}.{k}": v for p, m in parts.items() for k, v in m.state_dict().items()}


def unpack(state: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """Return the tensors of one part."""
    return {k.removeprefix(part + "."): v for k, v in state.items() if k.startswith(part + ".")}
