"""Gather evidence of unlearned models: once per model, for every metric."""

import torch

import load
from job import Job
from paths import EVIDENCE
from unlearnflow import io

job = Job(snakemake)
device = job.prepare_torch()
gather = job.plugin("evidence", "gather")
for item in job.items(EVIDENCE):
    recipe = io.read_json(item.inputs["base_recipe"])
    data = load.images(job.checked(item.inputs["images"]))
    request = load.partition(job.checked(item.inputs["partition"]))
    shape = (data.images.shape[1], len(request.classes))
    model = load.model(job.checked(item.inputs["model"]), recipe, *shape, device)
    base = load.model(job.checked(item.inputs["base"]), recipe, *shape, device)
    images = torch.from_numpy(data.images).to(device)
    arrays = gather(model, base, images, **job.settings)
    job.save(io.write_arrays, item.path, arrays, inputs=list(item.inputs.values()))
