# Unlearn, gather evidence, measure. `seeds.per_job: all` makes one job of a method's seeds, so
# that many small models pay for one interpreter; `one` makes a job of each. The bytes are the same.
# A method that draws nothing at random has one unlearning seed, hence rules of its own.

CELLS = {}
for _kind in ("", "_deterministic"):
    _methods = [
        m
        for m in STUDY.methods
        if (len(STUDY.seeds_of(m)) == 1 and len(STUDY.unlearning_seeds) > 1)
        == bool(_kind)
    ]
    CELLS[_kind] = {
        "methods": overview.either(_methods),
        "seeds": (
            STUDY.training_seeds,
            STUDY.unlearning_seeds[:1] if _kind else STUDY.unlearning_seeds,
        ),
    }


def spread(grammar, kind):
    """The outputs of one job: all seeds of a cell, or the grammar itself."""
    return (
        overview.spread(grammar, *CELLS[kind]["seeds"]) if STUDY.together else [grammar]
    )


NAMES = "{base}/{partition}/{method}" + ("" if STUDY.together else "/s{s}/u{u}")


def benchmark(rule, kind, name=""):
    n = len(spread(paths.UNLEARNED, kind))
    return f"data/logs/{rule}/{NAMES}{name}.n{n}.benchmark.tsv"


for _kind, _cells in CELLS.items():

    rule:
        name:
            f"unlearn{_kind}"
        input:
            unpack(overview.aligned(STUDY.graph, spread(paths.UNLEARNED, _kind))),
        output:
            artifact=spread(paths.UNLEARNED, _kind),
            timing=spread(paths.TIMING, _kind),
        benchmark:
            benchmark("unlearn", _kind)
        wildcard_constraints:
            method=_cells["methods"],
        threads: 1
        script:
            "../scripts/unlearn.py"

    rule:
        name:
            f"evidence{_kind}"
        input:
            unpack(overview.aligned(STUDY.graph, spread(paths.EVIDENCE, _kind))),
        output:
            artifact=spread(paths.EVIDENCE, _kind),
        benchmark:
            benchmark("evidence", _kind, "/{evidence}")
        wildcard_constraints:
            method=_cells["methods"],
        threads: 1
        script:
            "../scripts/evidence.py"

    rule:
        name:
            f"measure{_kind}"
        input:
            unpack(overview.aligned(STUDY.graph, spread(paths.MEASURED, _kind))),
        output:
            artifact=spread(paths.MEASURED, _kind),
        benchmark:
            benchmark("measure", _kind, "/{metric}")
        wildcard_constraints:
            method=_cells["methods"],
        threads: 1
        script:
            "../scripts/measure.py"


# Populations of models for attacks that know a distribution.
rule shadow_base:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.SHADOW_BASE])),
    output:
        artifact=[paths.SHADOW_BASE],
    benchmark:
        "data/logs/shadow_base/{base}/k{k}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(b for b in STUDY.bases if b not in STUDY.frozen),
    threads: 1
    script:
        "../scripts/shadow_base.py"


rule shadow:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.SHADOWED])),
    output:
        artifact=[paths.SHADOWED],
    benchmark:
        "data/logs/shadow/{base}/{partition}/{method}/k{k}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/shadow.py"


rule measure_shadows:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.MEASURED_SHADOWS])),
    output:
        artifact=[paths.MEASURED_SHADOWS],
    benchmark:
        "data/logs/measure_shadows/{base}/{partition}/{method}/{metric}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/measure.py"
