# Public targets beside `all`; each ends with an audit of what it made.


rule figures:
    input:
        overview.made_by(STUDY, "table", "figure", "picture", "grid"),
        paths.AUDIT.format(study=STUDY.name),


# One target for each folder of data/, for dvc.yaml.
for _folder, _rules in {
    "data_images": ["images"],
    "data_partition": ["partition", "request"],
    "data_base": [
        "base",
        "base_relabelled",
        *frozen_study.BASES,
        "encoder",
        "train",
        "slice",
        "encode",
        "judge",
        "clip",
        "autoencoder",
        "generator",
    ],
    "data_unlearned": [
        "unlearn",
        "timing",
        "stream",
        "timing_stream",
        "erase",
        "timing_erase",
    ],
    "data_shadowed": ["shadow_base", "shadow_base_frozen", "shadow"],
    "data_evidence": ["evidence", "rebuild", "real", "draw"],
    "data_measured": [
        "measure",
        "measure_shadows",
        "operations",
        "aggregate",
        "certify",
        "gauge",
    ],
}.items():

    rule:
        name:
            _folder
        input:
            overview.made_by(STUDY, *_rules),
        localrule: True


# The record of an audit, made anew whenever anything of the study was.
rule audited:
    input:
        overview.made_by(STUDY, "page", "table", "figure", "picture", "grid"),
    output:
        report=paths.AUDIT.format(study=STUDY.name),
    localrule: True
    script:
        "../scripts/audit.py"


# Compares every record with the pinned recipes and every byte with its record; never skipped.
rule audit:
    localrule: True
    script:
        "../scripts/audit.py"


rule plan:
    localrule: True
    script:
        "../scripts/plan.py"


# Reruns cells (config verify=GLOB), or compares with another run (config against=FOLDER).
rule verify:
    localrule: True
    threads: workflow.cores
    script:
        "../scripts/verify.py"
