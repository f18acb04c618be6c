rule images:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.IMAGES])),
    output:
        artifact=[paths.IMAGES],
    benchmark:
        "data/logs/images/{dataset}.benchmark.tsv"
    params:
        raw=lambda wildcards: STUDY.raw(wildcards.dataset),
    script:
        "../scripts/images.py"


rule partition:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.PARTITION])),
    output:
        artifact=[paths.PARTITION],
    benchmark:
        "data/logs/partition/{dataset}/{partition}.benchmark.tsv"
    script:
        "../scripts/partition.py"


rule base:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.BASE])),
    output:
        artifact=[paths.BASE],
    benchmark:
        "data/logs/base/{base}/s{s}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(b for b in STUDY.bases if b not in STUDY.frozen),
    threads: 1
    script:
        "../scripts/base.py"


# The request changes labels: its base models are trained on them.
rule base_relabelled:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.RELABELLED_BASE])),
    output:
        artifact=[paths.RELABELLED_BASE],
    benchmark:
        "data/logs/base_relabelled/{base}/{partition}/s{s}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(b for b in STUDY.bases if b not in STUDY.frozen),
    threads: 1
    script:
        "../scripts/base.py"
