# Bases on a frozen encoder. The encoder is pre-trained (rule `encoder`, with the exact methods) or
# published; keys are placed; then only the head, or the values, are trained on the training rows.


rule published:
    input:
        unpack(overview.aligned(STUDY.graph, [exact_paths.ENCODER])),
    output:
        artifact=[exact_paths.ENCODER],
    benchmark:
        "data/logs/published/{base}/s{s}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(
            frozen_study.encoder_name(STUDY, b)
            for b in STUDY.frozen
            if frozen_study.published(STUDY, b)
        ),
    script:
        "../scripts/published.py"


rule frozen:
    input:
        unpack(overview.aligned(STUDY.graph, [frozen_paths.FROZEN])),
    output:
        artifact=[frozen_paths.FROZEN],
    benchmark:
        "data/logs/frozen/{base}/s{s}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/frozen.py"


rule base_frozen:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.BASE])),
    output:
        artifact=[paths.BASE],
    benchmark:
        "data/logs/base_frozen/{base}/s{s}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(STUDY.frozen),
    threads: 1
    script:
        "../scripts/base_frozen.py"


rule base_frozen_relabelled:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.RELABELLED_BASE])),
    output:
        artifact=[paths.RELABELLED_BASE],
    benchmark:
        "data/logs/base_frozen_relabelled/{base}/{partition}/s{s}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(STUDY.frozen),
    threads: 1
    script:
        "../scripts/base_frozen.py"


rule shadow_base_frozen:
    input:
        unpack(overview.aligned(STUDY.graph, [paths.SHADOW_BASE])),
    output:
        artifact=[paths.SHADOW_BASE],
    benchmark:
        "data/logs/shadow_base_frozen/{base}/k{k}.benchmark.tsv"
    wildcard_constraints:
        base=overview.either(STUDY.frozen),
    threads: 1
    script:
        "../scripts/shadow_base_frozen.py"


# A method runs once more, and what it multiplies is counted. In the place of a measurement.
rule operations:
    input:
        unpack(
            overview.aligned(
                STUDY.graph,
                [paths.MEASURED.replace("{metric}", frozen_paths.OPERATIONS)],
            )
        ),
    output:
        artifact=[paths.MEASURED.replace("{metric}", frozen_paths.OPERATIONS)],
    benchmark:
        "data/logs/operations/{base}/{partition}/{method}/s{s}/u{u}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/operations.py"
