"""From a study to its graph: every artifact, the recipe it follows, and what it is made from.

The graph is plain data in topological order. The rules look their inputs up in it; pinning,
settling, auditing and the plan walk it. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paths
import signatures
from signatures import Signature, StudyError, nearest

FOLDERS = {
    "dataset": ("src/unlearnflow/datasets", "load"),
    "model": ("src/unlearnflow/models", "build"),
    "partition": ("src/unlearnflow/partitions", "partition"),
    "method": ("src/unlearnflow/methods/classifier", "unlearn"),
    "evidence": ("src/unlearnflow/evidence", "gather"),
    "metric": ("src/unlearnflow/metrics", "measure"),
    "table": ("src/unlearnflow/tables", "tabulate"),
    "figure": ("src/unlearnflow/figures", "draw"),
}
"""Kind of plug-in -> (folder, public function)."""

RESERVED = {
    "dataset": {"validation", "test", "judge"},
    "model": {"dataset", "training"},
    "method": {"per_partition", "partitions"},
    "metric": {"partitions"},
}
"""Keys of an entry that are not settings of its plug-in. `plugin` is reserved everywhere."""

COMMANDS = ("verify", "against")
"""Keys given on the command line to a target; no part of the study."""
HANDED = ("partition", "images", "rng")
"""Positional names of a metric that are not evidence."""
REFERENCES = ("retrain", "original")
"""`retrain_outputs` is the evidence `outputs` of the method `retrain` at the same seeds."""


@dataclass(frozen=True)
class Entry:
    """One checked entry of the study: its plug-in, settings and reserved keys."""

    where: str
    name: str
    kind: str
    plugin: str
    file: Path
    signature: Signature
    settings: dict[str, Any]
    extra: dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A file that a rule makes. inputs: role -> path, `recipe` among them."""

    path: str
    rule: str
    inputs: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)


def available(kind: str, root: Path) -> list[str]:
    """Return the names of the plug-ins of a kind, from the folder alone."""
    folder = root / FOLDERS[kind][0]
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))


def entry(where: str, name: str, kind: str, given: Any, root: Path) -> Entry:
    """Read one entry and check it against its plug-in. StudyError on any mistake."""
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise StudyError(f"{where}: got {given!r}, allowed is a mapping of settings; use {{}}.")
    if not re.fullmatch(paths.NAME, name):
        raise StudyError(
            f"{where}: the name {name!r} becomes part of a path; allowed are lower-case letters, "
            f"digits and '_', a letter first. Rename it."
        )
    plugin = given.get("plugin", name)
    names = available(kind, root)
    if plugin not in names:
        raise StudyError(
            f"{where}: no {kind} plug-in {plugin!r}; available: {', '.join(names)}."
            f"{nearest(str(plugin), names)} A new one is a file in {FOLDERS[kind][0]}/."
        )
    folder, function = FOLDERS[kind]
    file = root / folder / f"{plugin}.py"
    signature = signatures.read(file, function, root)
    reserved = RESERVED.get(kind, set()) | {"plugin"}
    settings = {k: v for k, v in given.items() if k not in reserved}
    extra = {k: v for k, v in given.items() if k in reserved}
    if kind != "method":
        signatures.check(where, settings, signature, f"the {kind} {plugin!r}")
    return Entry(where, name, kind, str(plugin), file, signature, settings, extra)


class Study:
    """A checked study. `graph` maps each artifact's path to its Artifact, inputs first."""

    def __init__(self, config: dict[str, Any], root: Path) -> None:
        self.config = {k: v for k, v in config.items() if k not in COMMANDS}
        self.root = root
        self.name: str = config["study"]
        seeds = config["seeds"]
        self.data_seed: int = seeds.get("data", 0)
        self.training_seeds: list[int] = list(seeds["training"])
        self.unlearning_seeds: list[int] = list(seeds["unlearning"])
        self.together: bool = seeds.get("per_job", "one") == "all"
        classifier = config["classifier"]

        def entries(kind: str, where: str, section: dict[str, Any] | None) -> dict[str, Entry]:
            return {
                name: entry(f"{where}.{name}", name, kind, given, root)
                for name, given in (section or {}).items()
            }

        self.datasets = entries("dataset", "datasets", config["datasets"])
        self.models = entries("model", "classifier.bases", classifier["bases"])
        self.partitions = entries("partition", "classifier.partitions", classifier["partitions"])
        self.methods = entries("method", "classifier.methods", classifier["methods"])
        self.metrics = entries("metric", "classifier.metrics", classifier["metrics"])
        report = config.get("report") or {}
        self.tables = entries("table", "report.tables", report.get("tables"))
        self.figures = entries("figure", "report.figures", report.get("figures"))
        self._check_names()
        self.bases = {f"{m.extra['dataset']}-{name}": m for name, m in self.models.items()}
        self.settings = self._method_settings()
        self.evidence = self._evidence()
        self.graph: dict[str, Artifact] = {}
        for artifact in self._artifacts():
            self.graph[artifact.path] = artifact

    # ------------------------------------------------------------------ checks

    def _known(self, where: str, name: str, names: dict[str, Entry]) -> None:
        if name not in names:
            raise StudyError(
                f"{where}: {name!r} is not in this study; allowed: {', '.join(names)}."
                f"{nearest(str(name), list(names))}"
            )

    def _check_names(self) -> None:
        for model in self.models.values():
            if "dataset" not in model.extra:
                raise StudyError(f"{model.where}: needs `dataset:`, one of the study's datasets.")
            self._known(f"{model.where}.dataset", model.extra["dataset"], self.datasets)
            signatures.check(
                f"{model.where}.training",
                model.extra.get("training") or {},
                signatures.read(self.root / "src/unlearnflow/training.py", "fit", self.root),
                "training.fit",
            )
        for holder in [*self.methods.values(), *self.metrics.values()]:
            for key in ("partitions", "per_partition"):
                for name in holder.extra.get(key) or ():
                    self._known(f"{holder.where}.{key}", name, self.partitions)
        for dataset in self.datasets.values():
            shares = [dataset.extra.get(k, 0.0) for k in ("validation", "test", "judge")]
            if any(not isinstance(x, int | float) or not 0 <= x < 1 for x in shares):
                raise StudyError(
                    f"{dataset.where}: validation, test and judge are shares in [0, 1), "
                    f"got {shares}."
                )
            if sum(shares) >= 1:
                raise StudyError(
                    f"{dataset.where}: validation + test + judge = {sum(shares)} leaves nothing "
                    "to train on; make them smaller."
                )

    def _method_settings(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(method, partition) -> settings, `per_partition:` overrides applied, all checked."""
        settings = {}
        for name, method in self.methods.items():
            for partition in self.partitions_of(method):
                override = (method.extra.get("per_partition") or {}).get(partition) or {}
                merged = {**method.settings, **override}
                where = method.where + (f".per_partition.{partition}" if override else "")
                signatures.check(where, merged, method.signature, f"the method {method.plugin!r}")
                settings[name, partition] = merged
        return settings

    def _evidence(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for metric in self.metrics.values():
            for position in metric.signature.positional:
                if position in HANDED:
                    continue
                reference, evidence = split_reference(position)
                if reference and reference not in self.methods:
                    raise StudyError(
                        f"{metric.where}: compares with {reference!r}, which is not among the "
                        f"study's methods; add `{reference}: {{}}` to classifier.methods."
                    )
                found[evidence] = entry(
                    f"{metric.where} ({position})", evidence, "evidence", {}, self.root
                )
        return found

    # ------------------------------------------------------------------ enumeration

    def partitions_of(self, holder: Entry) -> list[str]:
        """Return the partitions that a method or metric runs on."""
        return list(holder.extra.get("partitions") or self.partitions)

    def seeds_of(self, method: str) -> list[int]:
        """Return the unlearning seeds of a method: one only where it draws nothing at random."""
        if self.methods[method].signature.constants.get("DETERMINISTIC"):
            return self.unlearning_seeds[:1]
        return self.unlearning_seeds

    def relabels(self, partition: str) -> bool:
        """Whether base models are trained for this partition alone."""
        return bool(self.partitions[partition].signature.constants.get("RELABELS"))

    def base_path(self, base: str, partition: str, s: int) -> str:
        """Return the path of the base model that a partition starts from."""
        grammar = paths.RELABELLED_BASE if self.relabels(partition) else paths.BASE
        return grammar.format(base=base, partition=partition, s=s)

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield every cell: base, partition, method, s, u."""
        for base in self.bases:
            for name, method in self.methods.items():
                for partition in self.partitions_of(method):
                    for s in self.training_seeds:
                        for u in self.seeds_of(name):
                            yield {
                                "base": base,
                                "partition": partition,
                                "method": name,
                                "s": s,
                                "u": u,
                            }

    def _artifacts(self) -> Iterator[Artifact]:
        recipe = paths.RECIPE
        for dataset in self.datasets:
            yield Artifact(
                paths.IMAGES.format(dataset=dataset),
                "images",
                {"recipe": recipe["images"].format(dataset=dataset)},
            )
            for partition in self.partitions:
                names = {"dataset": dataset, "partition": partition}
                yield Artifact(
                    paths.PARTITION.format(**names),
                    "partition",
                    {
                        "recipe": recipe["partition"].format(**names),
                        "images": paths.IMAGES.format(dataset=dataset),
                    },
                )
        yield from self._bases()
        cells = list(self.cells())
        yield from self._cells(cells)
        yield from self._report(cells)

    def _bases(self) -> Iterator[Artifact]:
        for base, model in self.bases.items():
            dataset = model.extra["dataset"]
            for s in self.training_seeds:
                for partition in [None, *self.partitions]:
                    if partition is not None and not self.relabels(partition):
                        continue
                    if partition is None and all(map(self.relabels, self.partitions)):
                        continue
                    inputs = {
                        "recipe": paths.RECIPE["base"].format(base=base),
                        "images": paths.IMAGES.format(dataset=dataset),
                    }
                    if partition is not None:
                        inputs["partition"] = paths.PARTITION.format(
                            dataset=dataset, partition=partition
                        )
                        path = paths.RELABELLED_BASE.format(base=base, partition=partition, s=s)
                        yield Artifact(path, "base_relabelled", inputs)
                    else:
                        yield Artifact(paths.BASE.format(base=base, s=s), "base", inputs)

    def _cells(self, cells: list[dict[str, Any]]) -> Iterator[Artifact]:
        recipe = paths.RECIPE
        for cell in cells:
            base, partition, s = cell["base"], cell["partition"], cell["s"]
            dataset = self.bases[base].extra["dataset"]
            unlearned = paths.UNLEARNED.format(**cell)
            shared = {
                "base_recipe": recipe["base"].format(base=base),
                "images": paths.IMAGES.format(dataset=dataset),
                "partition": paths.PARTITION.format(dataset=dataset, partition=partition),
            }
            inputs = {
                "recipe": recipe["unlearn"].format(**cell),
                **shared,
                "base": self.base_path(base, partition, s),
            }
            yield Artifact(unlearned, "unlearn", inputs)
            yield Artifact(paths.TIMING.format(**cell), "timing", {"model": unlearned})
            for evidence in self.evidence:
                yield Artifact(
                    paths.EVIDENCE.format(evidence=evidence, **cell),
                    "evidence",
                    {
                        "recipe": recipe["evidence"].format(evidence=evidence),
                        **shared,
                        "base": self.base_path(base, partition, s),
                        "model": unlearned,
                    },
                )
        for cell in cells:
            for name, metric in self.metrics.items():
                if cell["partition"] in self.partitions_of(metric):
                    yield self._measurement(cell, name, metric)

    def _measurement(self, cell: dict[str, Any], name: str, metric: Entry) -> Artifact:
        dataset = self.bases[cell["base"]].extra["dataset"]
        inputs = {"recipe": paths.RECIPE["measure"].format(metric=name)}
        for position in metric.signature.positional:
            if position == "images":
                inputs[position] = paths.IMAGES.format(dataset=dataset)
            elif position == "partition":
                inputs[position] = paths.PARTITION.format(
                    dataset=dataset, partition=cell["partition"]
                )
            elif position not in HANDED:
                reference, evidence = split_reference(position)
                other = dict(cell)
                if reference:
                    seeds = self.seeds_of(reference)
                    u = cell["u"] if cell["u"] in seeds else seeds[0]
                    other |= {"method": reference, "u": u}
                inputs[position] = paths.EVIDENCE.format(evidence=evidence, **other)
        return Artifact(paths.MEASURED.format(metric=name, **cell), "measure", inputs)

    def _report(self, cells: list[dict[str, Any]]) -> Iterator[Artifact]:
        study = self.name
        measurements = paths.MEASUREMENTS.format(study=study)
        measured = [a.path for a in self.graph.values() if a.rule == "measure"]
        timing = [a.path for a in self.graph.values() if a.rule == "timing"]
        sources = {f"measured_{i}": p for i, p in enumerate(measured)}
        sources |= {f"timing_{i}": p for i, p in enumerate(timing)}
        recipe = {
            k: v.format(study=study, table="{table}", figure="{figure}")
            for k, v in paths.RECIPE.items()
            if k in ("collect", "table", "figure", "page")
        }
        for path in (measurements, paths.SUMMARY.format(study=study)):
            yield Artifact(path, "collect", {"recipe": recipe["collect"], **sources})
        parts = {}
        for table in self.tables:
            inputs = {"recipe": recipe["table"].format(table=table), "measurements": measurements}
            for grammar in (paths.TABLE, paths.TABLE_TEX):
                yield Artifact(grammar.format(study=study, table=table), "table", inputs)
            parts[f"table_{table}"] = paths.TABLE.format(study=study, table=table)
        for figure in self.figures:
            inputs = {
                "recipe": recipe["figure"].format(figure=figure),
                "measurements": measurements,
            }
            for grammar in (paths.FIGURE_PNG, paths.FIGURE_PDF):
                yield Artifact(grammar.format(study=study, figure=figure), "figure", inputs)
            parts[f"figure_{figure}"] = paths.FIGURE_PNG.format(study=study, figure=figure)
        yield Artifact(
            paths.PAGE.format(study=study),
            "page",
            {"recipe": recipe["page"], "measurements": measurements, **parts},
        )
        page = paths.PAGE.format(study=study)
        yield Artifact(paths.AUDIT.format(study=study), "audited", {"page": page})


def split_reference(position: str) -> tuple[str | None, str]:
    """Split `retrain_outputs` into ('retrain', 'outputs'); `outputs` into (None, 'outputs')."""
    for reference in REFERENCES:
        if position.startswith(reference + "_"):
            return reference, position.removeprefix(reference + "_")
    return None, position
