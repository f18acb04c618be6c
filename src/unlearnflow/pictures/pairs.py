"""What every method draws from the same noise, with the distance to the original under it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from unlearnflow.plotting import figure


def draw(
    drawn: dict[str, dict[str, np.ndarray]],
    distances: dict[str, dict[str, np.ndarray]],
    prompts: tuple[str, ...],
    *, noise: int = 0, most: int = 12,
) -> Figure:  # fmt: skip
    """Return a grid: rows are prompts (forgotten ones first), columns methods.

    drawn, distances: method -> evidence. noise: which of a prompt's images. most: rows at most.
    The number under a picture is its LPIPS to the first column that is called `original`.
    """
    methods = ["original", *(m for m in drawn if m != "original")]
    first = drawn["original"]
    labels = list(dict.fromkeys(first["prompt"].tolist()))[:most]
    width, height = 0.8 * len(methods) + 1.2, 0.95 * len(labels) + 0.3
    made = figure(len(methods), len(labels), width=width, height=height / len(labels))
    axes = np.array(made.axes).reshape(len(labels), len(methods))
    for i, label in enumerate(labels):
        at = int(np.flatnonzero(first["prompt"] == label)[noise])
        for j, method in enumerate(methods):
            axis = axes[i, j]
            image = drawn[method]["images"][at].transpose(1, 2, 0)
            grey = image.shape[2] == 1
            axis.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None,
                        vmin=0, vmax=255, interpolation="nearest")  # fmt: skip
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(visible=False)
            forgotten = bool(first["forget"][at])
            for side in axis.spines.values():
                side.set_visible(forgotten)
                side.set_edgecolor("tab:red")
            axis.set_xlabel(f"{distances[method]['paired'][at]:.3f}", fontsize=6, labelpad=1)
            if i == 0:
                axis.set_title(method.replace("_", " "), fontsize=7)
            if j == 0:
                axis.set_ylabel(
                    prompts[label], fontsize=6, rotation=0, ha="right", va="center",
                    color="tab:red" if forgotten else "black",
                )  # fmt: skip
    return made
