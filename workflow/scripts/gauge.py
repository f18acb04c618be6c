"""Measure diffusion models: a metric's positional names say which evidence it is handed."""

import inspect
from typing import Any

from diffusion_paths import MEASURED
from hand import Hand
from job import Job
from unlearnflow import io
from unlearnflow.rng import stream

job = Job(snakemake)
measure = job.plugin("metrics.diffusion", "measure")
wanted = [
    p.name for p in inspect.signature(measure).parameters.values() if p.kind != p.KEYWORD_ONLY
]
hand = Hand(job)
for item in job.items(MEASURED):
    place = (item.names[k] for k in ("metric", "base", "partition"))
    rng = stream(int(item.names["s"]), "gauge", *place)
    handed: list[Any] = [rng if name == "rng" else hand.over(name, item) for name in wanted]
    values = measure(*handed, **job.settings)
    streams = [rng] if "rng" in wanted else []
    job.save(io.write_json, item.path, values, list(item.inputs.values()), streams)
