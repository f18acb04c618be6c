"""The path grammar of split encodings: see `paths`. Standard library only.

It stands apart because every other job's recipe covers `paths`. Measurements follow `MEASURED`,
so that they are collected as all others are: the base is DATASET-split_autoencoder, the request
`halves`, the method the encoding.
"""

from __future__ import annotations

from paths import MEASURED, RECIPES

MODEL = "split_autoencoder"
ENCODING = "data/base/encoding/{dataset}/{encoding}/s{s}.safetensors"
"""The autoencoder and its two certificate decoders."""
REBUILT = "data/evidence/encoding/{dataset}/{encoding}/s{s}.npz"
"""Errors of every test row, and some pictures."""
CERTIFIED = MEASURED.format(
    base="{dataset}-" + MODEL, s="{s}", partition="halves", method="{encoding}", u="0",
    metric="certificate",
)  # fmt: skip
PICTURE_PNG = "reports/{study}/figures/encodings_{dataset}.png"
PICTURE_PDF = "reports/{study}/figures/encodings_{dataset}.pdf"

RECIPE = {
    "encoding": RECIPES + "/base/encoding/{dataset}/{encoding}.json",
    "rebuilt": RECIPES + "/evidence/encoding/{dataset}/{encoding}.json",
    "certified": RECIPES + "/measure/encoding/certificate.json",
    "picture": RECIPES + "/report/{study}/encodings.json",
}
