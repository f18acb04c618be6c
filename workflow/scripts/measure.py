"""Measure: a metric's positional names say which evidence it is handed."""

import inspect

import load
from job import Job
from paths import MEASURED
from unlearnflow import io
from unlearnflow.rng import stream

job = Job(snakemake)
measure = job.plugin("metrics", "measure")
kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
wanted = [p.name for p in inspect.signature(measure).parameters.values() if p.kind in kinds]
readers = {"images": load.images, "partition": load.partition}
for item in job.items(MEASURED):
    names = item.names
    # Not the method's name: every method is attacked with the same draw of attackers' rows.
    rng = stream(int(names["s"]), "measure", names["metric"], names["base"], names["partition"])
    handed = [
        rng if name == "rng" else readers.get(name, io.read_arrays)(job.checked(item.inputs[name]))
        for name in wanted
    ]
    values = measure(*handed, **job.settings)
    streams = [rng] if "rng" in wanted else []
    job.save(io.write_json, item.path, values, list(item.inputs.values()), streams)
