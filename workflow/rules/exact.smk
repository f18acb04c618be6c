# Exact unlearning: methods that shape training, streams of deletions, SISA stage by stage.


rule request:
    input:
        unpack(overview.aligned(STUDY.graph, [exact_paths.REQUESTS])),
    output:
        artifact=[exact_paths.REQUESTS],
    benchmark:
        "data/logs/request/{dataset}/{requests}.benchmark.tsv"
    script:
        "../scripts/request.py"


# A model that stays frozen: it has met judge rows alone, never one that may be forgotten.
rule encoder:
    input:
        unpack(overview.aligned(STUDY.graph, [exact_paths.ENCODER])),
    output:
        artifact=[exact_paths.ENCODER],
    benchmark:
        "data/logs/encoder/{base}/s{s}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/encoder.py"


# `seeds.per_job: all` makes one job of a method's seeds, as in cells.smk; a method that draws
# nothing at random has one seed, hence rules of its own.
for _kind in ("", "_deterministic"):
    _seeds = {m: exact_study.seeds(STUDY, m) for m in STUDY.exact.methods}
    _chosen = STUDY.training_seeds[:1] if _kind else STUDY.training_seeds
    _methods = [
        m for m, s in _seeds.items() if (s != STUDY.training_seeds) == bool(_kind)
    ]

    def _spread(grammar, seeds=tuple(_chosen)):
        return overview.spread(grammar, seeds, [0]) if STUDY.together else [grammar]

    _name = "{base}/{method}" + ("" if STUDY.together else "/s{s}")
    _n = f".n{len(_spread(exact_paths.TRAINED))}.benchmark.tsv"

    rule:
        name:
            f"train{_kind}"
        input:
            unpack(overview.aligned(STUDY.graph, _spread(exact_paths.TRAINED))),
        output:
            artifact=_spread(exact_paths.TRAINED),
        benchmark:
            f"data/logs/train/{_name}{_n}"
        wildcard_constraints:
            method=overview.either(_methods),
        threads: 1
        script:
            "../scripts/train.py"

    rule:
        name:
            f"stream{_kind}"
        input:
            unpack(overview.aligned(STUDY.graph, _spread(exact_paths.STREAMED))),
        output:
            artifact=_spread(exact_paths.STREAMED),
            timing=_spread(exact_paths.STREAM_TIMING),
        benchmark:
            f"data/logs/stream/{_name}/{{requests}}{_n}"
        wildcard_constraints:
            method=overview.either(_methods),
        threads: 1
        script:
            "../scripts/stream.py"


# One stage of SISA. Only the recipes of the stages that would train on a deleted row name it.
rule slice:
    input:
        unpack(overview.aligned(STUDY.graph, [exact_paths.SLICE])),
    output:
        artifact=[exact_paths.SLICE],
    benchmark:
        "data/logs/slice/{base}/{sliced}/s{s}/shard{j}/slice{r}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/slice.py"


rule aggregate:
    input:
        unpack(overview.aligned(STUDY.graph, [exact_paths.MEASURED_SLICED])),
    output:
        artifact=[exact_paths.MEASURED_SLICED],
    benchmark:
        "data/logs/aggregate/{base}/{sliced}/s{s}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/aggregate.py"
