"""Gather evidence of diffusion models: a plug-in's positional names say what it is handed."""

import inspect
from typing import Any

from diffusion_paths import EVIDENCE
from hand import Hand
from job import Job
from unlearnflow import io
from unlearnflow.rng import stream

job = Job(snakemake)
job.prepare_torch()
gather = job.plugin("evidence.diffusion", "gather")
wanted = [p.name for p in inspect.signature(gather).parameters.values() if p.kind != p.KEYWORD_ONLY]
hand = Hand(job, snakemake.params.raw)
for item in job.items(EVIDENCE):
    # Not the method's name: every method's images start from the same noise.
    place = (item.names[k] for k in ("evidence", "base", "partition"))
    rng = stream(int(item.names["s"]), "draw", *place)
    handed: list[Any] = [rng if name == "rng" else hand.over(name, item) for name in wanted]
    arrays = gather(*handed, **job.settings)
    streams = [rng] if "rng" in wanted else []
    job.save(io.write_arrays, item.path, arrays, list(item.inputs.values()), streams)
