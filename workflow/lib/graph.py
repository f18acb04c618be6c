"""The graph of a study: every artifact and what it is made from, inputs first.

Each function yields the artifacts of one stage. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import frozen_paths
import paths

if TYPE_CHECKING:
    from study import Entry, Study

HANDED = ("partition", "images", "rng")
"""Positional names of a metric that are no evidence."""
REFERENCES = ("retrain", "original")
"""`retrain_outputs` is the evidence `outputs` of the method `retrain` at the same seeds."""
SHADOWS = "shadows"
"""Positional name of a metric for the logits of many models at once."""


TIMINGS = "data/timing/"
"""Run times: no part of any identity, as current as what they were taken of."""


@dataclass(frozen=True)
class Artifact:
    """A file that a rule makes. inputs: role -> path, `recipe` among them."""

    path: str
    rule: str
    inputs: dict[str, str]


Stage = Callable[["Study", dict[str, Artifact]], Iterator[Artifact]]


def build(study: Study, first: Stage, *more: Stage) -> dict[str, Artifact]:
    """Return path -> Artifact for the whole study, in topological order.

    first: what bases stand on. more: stages that are defined elsewhere; what they make can be
    reported.
    """
    found: dict[str, Artifact] = {}
    for stage in (_prepared, first, _bases, _unlearned, _shadowed, _measured, *more, _reported):
        for artifact in stage(study, found):
            found[artifact.path] = artifact
    return found


def split_reference(position: str) -> tuple[str | None, str]:
    """Split `retrain_outputs` into ('retrain', 'outputs'); `outputs` into (None, 'outputs')."""
    for reference in REFERENCES:
        if position.startswith(reference + "_"):
            return reference, position.removeprefix(reference + "_")
    return None, position


def asks_for_shadows(metric: Entry) -> bool:
    """Whether a metric looks at populations of models instead of single cells."""
    return any(split_reference(p)[1] == SHADOWS for p in metric.signature.positional)


def blocks(study: Study) -> list[int]:
    """Return the number of the first shadow model of each job."""
    return list(range(0, study.shadows["models"], study.shadows["per_job"]))


def shadowed(study: Study, base: str, partition: str) -> list[str]:
    """Return the methods of the populations that run on a base."""
    return [m for m in study.shadows["methods"] if study.runs(base, m, partition)]


def _prepared(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    recipe = paths.RECIPE
    for dataset in study.datasets:
        images = paths.IMAGES.format(dataset=dataset)
        yield Artifact(images, "images", {"recipe": recipe["images"].format(dataset=dataset)})
        for partition in study.requested(dataset):
            names = {"dataset": dataset, "partition": partition}
            inputs = {"recipe": recipe["partition"].format(**names), "images": images}
            if earlier := study.after(partition):
                inputs["previous"] = paths.PARTITION.format(dataset=dataset, partition=earlier)
            yield Artifact(paths.PARTITION.format(**names), "partition", inputs)


def _bases(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    for base, model in study.bases.items():
        chosen = study.partitions_of(model)
        relabelled = [p for p in chosen if study.relabels(p) and not study.after(p)]
        plain = any(not study.relabels(p) for p in chosen)
        dataset = model.extra["dataset"]
        kind = "base_frozen" if base in study.frozen else "base"
        inputs = {
            "recipe": paths.RECIPE["base"].format(base=base),
            "images": paths.IMAGES.format(dataset=dataset),
        }
        for s in study.training_seeds:
            if base in study.frozen:
                inputs = {**inputs, "frozen": frozen_paths.FROZEN.format(base=base, s=s)}
            if plain:
                yield Artifact(paths.BASE.format(base=base, s=s), kind, inputs)
            for partition in relabelled:
                names = {"dataset": dataset, "partition": partition}
                yield Artifact(
                    paths.RELABELLED_BASE.format(base=base, partition=partition, s=s),
                    f"{kind}_relabelled",
                    {**inputs, "partition": paths.PARTITION.format(**names)},
                )


def _shared(study: Study, base: str, partition: str) -> dict[str, str]:
    """Return the inputs of every job that rebuilds a model and a request."""
    dataset = study.bases[base].extra["dataset"]
    return {
        "base_recipe": paths.RECIPE["base"].format(base=base),
        "images": paths.IMAGES.format(dataset=dataset),
        "partition": paths.PARTITION.format(dataset=dataset, partition=partition),
    }


def start_path(study: Study, cell: dict[str, Any]) -> str:
    """Return the model that a cell starts from: the base, or the result of the earlier request."""
    if earlier := study.after(cell["partition"]):
        return paths.UNLEARNED.format(**{**cell, "partition": earlier})
    return study.base_path(cell["base"], cell["partition"], cell["s"])


def _unlearned(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    for cell in study.cells():
        unlearned = paths.UNLEARNED.format(**cell)
        inputs = {
            "recipe": paths.RECIPE["unlearn"].format(**cell),
            **_shared(study, cell["base"], cell["partition"]),
            "base": start_path(study, cell),
        }
        yield Artifact(unlearned, "unlearn", inputs)
        yield Artifact(paths.TIMING.format(**cell), "timing", {"model": unlearned})


def _shadowed(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    if not study.shadows:
        return
    for base, model in study.bases.items():
        images = paths.IMAGES.format(dataset=model.extra["dataset"])
        wanted = any(shadowed(study, base, p) for p in study.shadows["partitions"])
        for k in blocks(study) if wanted else ():
            start = paths.SHADOW_BASE.format(base=base, k=k)
            recipe = paths.RECIPE["shadow_base"].format(base=base)
            inputs = {"recipe": recipe, "images": images}
            rule = "shadow_base"
            if base in study.frozen:  # one frozen part for all models of the population
                s = study.training_seeds[0]
                inputs["frozen"] = frozen_paths.FROZEN.format(base=base, s=s)
                rule = "shadow_base_frozen"
            yield Artifact(start, rule, inputs)
            for partition in study.shadows["partitions"]:
                for method in shadowed(study, base, partition):
                    names = {"base": base, "partition": partition, "method": method}
                    inputs = {
                        "recipe": paths.RECIPE["unlearn"].format(**names),
                        **_shared(study, base, partition),
                        "base": start,
                    }
                    yield Artifact(paths.SHADOWED.format(**names, k=k), "shadow", inputs)


def _other(study: Study, cell: dict[str, Any], reference: str | None) -> dict[str, Any]:
    """Return the cell of the same seeds that a reference name points at."""
    if reference is None:
        return cell
    seeds = study.seeds_of(reference)
    u = cell["u"] if cell["u"] in seeds else seeds[0]
    return {**cell, "method": reference, "u": u}


def _measured(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    measurements: list[Artifact] = []
    evidence: dict[str, Artifact] = {}
    for cell in study.cells():
        for name, metric in study.metrics.items():
            if asks_for_shadows(metric) or cell["partition"] not in study.partitions_of(metric):
                continue
            inputs = _handed(study, metric, cell["base"], cell["partition"])
            for position in metric.signature.positional:
                if position not in HANDED:
                    reference, kind = split_reference(position)
                    needed = _evidence(study, _other(study, cell, reference), kind)
                    evidence[needed.path] = needed
                    inputs[position] = needed.path
            path = paths.MEASURED.format(metric=name, **cell)
            measurements.append(Artifact(path, "measure", inputs))
    yield from evidence.values()
    yield from measurements
    yield from _measured_shadows(study)


def _handed(study: Study, metric: Entry, base: str, partition: str) -> dict[str, str]:
    """Return a measurement's recipe, and the data set and the request where it names them."""
    names = {"dataset": study.bases[base].extra["dataset"], "partition": partition}
    inputs = {"recipe": paths.RECIPE["measure"].format(metric=metric.name)}
    for position, grammar in (("images", paths.IMAGES), ("partition", paths.PARTITION)):
        if position in metric.signature.positional:
            inputs[position] = grammar.format(**names)
    return inputs


def _evidence(study: Study, cell: dict[str, Any], kind: str) -> Artifact:
    inputs = {
        "recipe": paths.RECIPE["evidence"].format(evidence=kind, **cell),
        **_shared(study, cell["base"], cell["partition"]),
        "model": paths.UNLEARNED.format(**cell),
    }
    for position in study.evidence[kind].signature.positional:
        if position == "base":
            inputs["base"] = start_path(study, cell)
        elif position == "retrain":
            inputs["retrain"] = paths.UNLEARNED.format(**_other(study, cell, "retrain"))
    return Artifact(paths.EVIDENCE.format(evidence=kind, **cell), "evidence", inputs)


def _measured_shadows(study: Study) -> Iterator[Artifact]:
    for name, metric in study.metrics.items():
        if not asks_for_shadows(metric):
            continue
        for base in study.bases:
            for partition in study.shadows["partitions"]:
                for method in shadowed(study, base, partition):
                    names = {"base": base, "partition": partition, "method": method}
                    inputs = _handed(study, metric, base, partition)
                    for position in metric.signature.positional:
                        if position not in HANDED:
                            reference = split_reference(position)[0] or method
                            for k in blocks(study):
                                path = paths.SHADOWED.format(**{**names, "method": reference}, k=k)
                                inputs[f"{position}__{k}"] = path
                    path = paths.MEASURED_SHADOWS.format(metric=name, **names)
                    yield Artifact(path, "measure_shadows", inputs)


def _reported(study: Study, found: dict[str, Artifact]) -> Iterator[Artifact]:
    names = {"study": study.name}
    measurements = paths.MEASUREMENTS.format(**names)
    counted = (
        a for a in found.values()
        if a.path.startswith(("data/measured/", TIMINGS)) or a.rule == "stream"
    )  # fmt: skip
    sources = {f"{a.rule}_{i}": a.path for i, a in enumerate(counted)}
    recipe = paths.RECIPE
    for path in (measurements, paths.SUMMARY.format(**names)):
        yield Artifact(path, "collect", {"recipe": recipe["collect"].format(**names), **sources})
    parts = {}
    for table in study.tables:
        inputs = {
            "recipe": recipe["table"].format(table=table, **names), "measurements": measurements
        }  # fmt: skip
        for grammar in (paths.TABLE, paths.TABLE_TEX):
            yield Artifact(grammar.format(table=table, **names), "table", inputs)
        parts[f"table_{table}"] = paths.TABLE.format(table=table, **names)
    for figure in study.figures:
        inputs = {
            "recipe": recipe["figure"].format(figure=figure, **names), "measurements": measurements
        }  # fmt: skip
        for grammar in (paths.FIGURE_PNG, paths.FIGURE_PDF):
            yield Artifact(grammar.format(figure=figure, **names), "figure", inputs)
        parts[f"figure_{figure}"] = paths.FIGURE_PNG.format(figure=figure, **names)
    for path, artifact in found.items():
        if artifact.rule in ("picture", "grid") and path.endswith(".png"):
            parts[f"picture_{len(parts)}"] = path
    page = paths.PAGE.format(**names)
    inputs = {"recipe": recipe["page"].format(**names), "measurements": measurements, **parts}
    yield Artifact(page, "page", inputs)
    yield Artifact(paths.AUDIT.format(**names), "audited", {"page": page})
