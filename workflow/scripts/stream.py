"""Process deletions one by one: what each costs, and how well the state predicts after it.

Arrays have one number more than there are deletions; the first stands before any of them. `lost`
counts the shards of which, by then, nothing of the first training is left; `until_full` is the
number of deletions after which that is so for all.
"""

import importlib
import math
import time

import numpy as np
import torch

import exact_load
import load
from exact_paths import STREAMED
from job import Job
from unlearnflow import io
from unlearnflow.probability import auc

job = Job(snakemake)
device = job.prepare_torch()
method = importlib.import_module(f"unlearnflow.methods.exact.{job.recipe['plugin']}")
(item,) = job.items(STREAMED)
encoder = item.inputs.get("encoder")
data = load.images(job.checked(item.inputs["images"]))
order = io.read_arrays(job.checked(item.inputs["requests"]))["rows"]
state = io.read_tensors(job.checked(item.inputs["state"]))
rng = exact_load.training_stream(item.names)
build = exact_load.builder(job.recipe["model"], encoder and job.checked(encoder), data, rng, device)
rows, ids = exact_load.training_rows(data, device)


def predicted(index: np.ndarray) -> np.ndarray:
    """Return the probabilities of some rows of the data set."""
    images = torch.from_numpy(data.images[index]).to(device)
    return method.predict(state, build, images, **job.settings).cpu().numpy()


def told_apart() -> float:
    """Return the AUC of the loss attack: the rows to delete against test rows of their classes."""
    found = {}
    for side, index in (("gone", order), ("held", held)):
        with np.errstate(divide="ignore"):  # a probability of 0 is the surest non-member
            log_p = np.log(predicted(index).astype(np.float64))
        found[side] = log_p[np.arange(len(index)), data.labels[index]]
    return auc(found["gone"], found["held"])


test = data.rows("test")
held = test[np.isin(data.labels[test], np.unique(data.labels[order]))]
n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
accuracy = [float((predicted(test).argmax(1) == data.labels[test]).mean())]
membership = [told_apart()]
seconds, samples, models, lost = [0.0], [0], [0], [0]
gone_whole: set[int] = set()
for row in order.tolist():
    start = time.perf_counter()
    state, cost = method.unlearn(state, build, rows, ids, torch.tensor([row]), rng, **job.settings)
    seconds.append(seconds[-1] + time.perf_counter() - start)
    samples.append(samples[-1] + cost.samples)
    models.append(models[-1] + cost.models)
    gone_whole |= cost.lost
    lost.append(len(gone_whole))
    accuracy.append(float((predicted(test).argmax(1) == data.labels[test]).mean()))
membership.append(told_apart())
through = np.flatnonzero(np.array(lost) == job.settings.get("shards", math.inf))
arrays = {
    "accuracy": np.array(accuracy), "samples": np.array(samples), "models": np.array(models),
    "lost": np.array(lost), "membership": np.array(membership), "bytes": np.array(n_bytes),
    "until_full": np.array(float(through[0]) if len(through) else math.nan),
}  # fmt: skip
job.save(io.write_arrays, item.path, arrays, list(item.inputs.values()), [rng])
io.write_json(str(snakemake.output.timing[0]), {"seconds": seconds, "device": device})
