# Diffusion models: judges, bases, unlearning, evidence, measurements. `seeds.per_job: all` makes
# one job of all cells of a base and a request in the stages that only look at models; `one` a job
# of each. The bytes are the same.


def raw_of(wildcards):
    """The folder of a published model; where it lies is no part of a recipe."""
    return STUDY.diffusion.bases[wildcards.base].extra.get("raw")


rule judge:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.JUDGE])),
    output:
        artifact=[diffusion_paths.JUDGE],
    benchmark:
        "data/logs/judge/{dataset}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/judge.py"


rule clip:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.CLIP])),
    output:
        artifact=[diffusion_paths.CLIP],
    benchmark:
        "data/logs/clip/{dataset}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/clip.py"


rule real:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.REAL])),
    output:
        artifact=[diffusion_paths.REAL],
    benchmark:
        "data/logs/real/{dataset}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/real.py"


rule autoencoder:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.AUTOENCODER])),
    output:
        artifact=[diffusion_paths.AUTOENCODER],
    benchmark:
        "data/logs/autoencoder/{base}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/autoencoder.py"


rule generator:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.GENERATOR])),
    output:
        artifact=[diffusion_paths.GENERATOR],
    benchmark:
        "data/logs/generator/{base}/s{s}.benchmark.tsv"
    threads: 1
    params:
        raw=raw_of,
    script:
        "../scripts/generator.py"


rule erase:
    input:
        unpack(overview.aligned(STUDY.graph, [diffusion_paths.ERASED])),
    output:
        artifact=[diffusion_paths.ERASED],
        timing=[diffusion_paths.TIMING],
    benchmark:
        "data/logs/erase/{base}/{partition}/{method}/s{s}/u{u}.benchmark.tsv"
    threads: 1
    params:
        raw=raw_of,
    script:
        "../scripts/erase.py"


def looked_at(grammar, cells):
    """The outputs of the jobs that look at models: one list for each job."""
    paths_ = [overview.partly(grammar, cell) for cell in cells]
    return [paths_] if STUDY.together else [[path] for path in paths_]


for _base, _partition in diffusion_study.groups(STUDY):
    _name = f"{_base.replace('-', '_')}_{_partition}"
    _raw = STUDY.diffusion.bases[_base].extra.get("raw")
    _drawn = [
        (_kinds, _outputs)
        for _kinds, _cells in diffusion_study.drawn(STUDY, _base, _partition)
        for _outputs in looked_at(diffusion_paths.EVIDENCE, _cells)
    ]
    for _i, (_kinds, _outputs) in enumerate(_drawn):

        rule:
            name:
                f"draw_{_name}_{_i}"
            input:
                unpack(overview.aligned(STUDY.graph, _outputs)),
            output:
                artifact=_outputs,
            benchmark:
                f"data/logs/draw/{_base}/{_partition}/{_i}/{{evidence}}.n{len(_outputs)}.benchmark.tsv"
            wildcard_constraints:
                evidence=overview.either(_kinds),
            threads: 1
            params:
                raw=_raw,
            script:
                "../scripts/draw.py"

    _cells = diffusion_study.cells(STUDY, _base, _partition)
    for _i, _outputs in enumerate(looked_at(diffusion_paths.MEASURED, _cells)):

        rule:
            name:
                f"gauge_{_name}_{_i}"
            input:
                unpack(overview.aligned(STUDY.graph, _outputs)),
            output:
                artifact=_outputs,
            benchmark:
                f"data/logs/gauge/{_base}/{_partition}/{_i}/{{metric}}.n{len(_outputs)}.benchmark.tsv"
            group:
                "measure"
            threads: 1
            script:
                "../scripts/gauge.py"
