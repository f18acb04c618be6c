"""Questions about a study's graph: inputs of a job, wildcards, the plan as a table.

Standard library only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from graph import Artifact
from ledger import Ledger, table
from study import Study


def either(names: Iterable[str]) -> str:
    """Return a regular expression that matches just these names (nothing when there are none)."""
    return "|".join(sorted(names)) or "(?!)"


def spread(grammar: str, s: Iterable[int], u: Iterable[int]) -> list[str]:
    """Fill the seeds into a path grammar and leave the other names open."""
    if "{u}" not in grammar:
        return [grammar.replace("{s}", str(i)) for i in s]
    return [grammar.replace("{s}", str(i)).replace("{u}", str(j)) for i in s for j in u]


def partly(grammar: str, names: dict[str, Any]) -> str:
    """Fill some names into a path grammar and leave the others open."""
    for name, value in names.items():
        grammar = grammar.replace(f"{{{name}}}", str(value))
    return grammar


def aligned(
    graph: dict[str, Artifact], grammars: list[str]
) -> Callable[[Any], dict[str, list[str]]]:
    """Return an input function: role -> one path for each output, in the outputs' order."""

    def inputs(wildcards: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        names = dict(wildcards.items())
        for grammar in grammars:
            for role, path in graph[grammar.format(**names)].inputs.items():
                found.setdefault(role, []).append(path)
        return found

    return inputs


def made_by(study: Study, *rules: str) -> list[str]:
    """Return the paths that rules make, in the graph's order."""
    return [a.path for a in study.graph.values() if a.rule in rules]


def below(study: Study, *folders: str) -> list[str]:
    """Return the paths of artifacts in folders such as data/base, in the graph's order."""
    return [p for p in study.graph if p.startswith(tuple(f"{folder}/" for folder in folders))]


def describe(study: Study, ledger: Ledger, folder: Path) -> str:
    """Return the study as text: a table of cells, the jobs that would run, the expected time.

    The expected time of a job is the median wall time of earlier jobs of its rule, read from the
    benchmark files below data/logs; rules that never ran show '?'.
    """
    rows = [
        {
            "base": base,
            "partition": partition,
            "methods": len(running),
            "training seeds": len(study.training_seeds),
            "unlearning seeds": len(study.unlearning_seeds),
            "metrics": sum(partition in study.partitions_of(m) for m in study.metrics.values()),
            "models": sum(
                1 for c in study.cells() if c["base"] == base and c["partition"] == partition
            ),
        }
        for base in study.bases
        for partition in study.partitions
        if (running := [m for m in study.methods if study.runs(base, m, partition)])
    ]
    rules = Counter(a.rule for a in study.graph.values())
    stale = Counter(study.graph[p].rule for p in ledger.reasons)
    seconds = _medians(folder)
    work = []
    for rule, count in rules.items():
        per_artifact = seconds.get(rule)
        expected = f"{per_artifact * stale[rule]:.0f} s" if per_artifact is not None else "?"
        work.append(
            {"rule": rule, "artifacts": count, "to make": stale[rule], "expected": expected}
        )
    methods = [
        {"method": n, "plug-in": m.plugin, "settings": json.dumps(m.settings)}
        for n, m in study.methods.items()
    ]
    methods += [
        {"method": n, "plug-in": m.plugin, "settings": json.dumps(m.settings)}
        for n, m in (
            *study.exact.methods.items(),
            *((name, m) for (_, name), m in study.exact.sliced.items()),
        )
    ]
    methods += [
        {"method": n, "plug-in": f"split autoencoder on {d}", "settings": json.dumps(settings)}
        for (d, n), settings in study.encodings.found.items()
    ]
    streams = [
        {"base": base, "order of deletion": order, "exact methods": len(found)}
        for base in study.exact.bases
        for order in study.exact.requests
        if (found := [m for m in study.exact.methods.values() if base in m.extra["bases"]])
    ]
    total = sum(seconds.get(rule, 0.0) * n for rule, n in stale.items())
    known = "" if all(r in seconds for r in stale) else " (rules that never ran not counted)"
    return "\n\n".join(
        [
            f"study {study.name}: {study.config.get('question', '').strip()}",
            *(table(part) for part in (rows, streams, methods) if part),
            table(work),
            f"expected: {total:.0f} CPU-seconds of jobs{known}",
        ]
    )


def _medians(folder: Path) -> dict[str, float]:
    """Return rule -> median wall seconds for each artifact, from Snakemake's benchmark files."""
    found: dict[str, list[float]] = {}
    for file in sorted((folder / "data/logs").glob("*/**/*.benchmark.tsv")):
        rule = file.relative_to(folder / "data/logs").parts[0]
        lines = file.read_text(encoding="utf-8").splitlines()
        share = int(file.name.split(".")[-3].removeprefix("n")) if ".n" in file.name else 1
        for line in lines[1:]:
            found.setdefault(rule, []).append(float(line.split("\t")[0]) / share)
    return {rule: sorted(values)[len(values) // 2] for rule, values in found.items()}
