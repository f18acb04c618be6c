"""Draw a forget request."""

import dataclasses

import numpy as np

import load
from job import Job
from unlearnflow import io
from unlearnflow.rng import stream
from unlearnflow.types import SPLITS

job = Job(snakemake)
draw = job.plugin("partitions", "partition")
path = str(snakemake.output.artifact[0])
source = str(snakemake.input.images[0])
data = load.images(job.checked(source))
rng = stream(
    job.recipe["seed"],
    "partition",
    snakemake.wildcards.dataset,
    job.recipe["name"],
)
trained_on = data.split == SPLITS.index("train")
request = draw(data.labels, trained_on, rng, data.classes, **job.settings)
arrays = {k: np.asarray(v) for k, v in dataclasses.asdict(request).items()}
job.save(io.write_arrays, path, arrays, inputs=[source], streams=[rng])
