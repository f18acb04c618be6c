# All that is drawn from measurements: no weights, no GPU.


rule collect:
    input:
        recipe=paths.RECIPE["collect"].format(study=STUDY.name),
        measured=overview.below(STUDY, "data/measured"),
        timing=overview.made_by(STUDY, "timing", "timing_erase"),
        streamed=overview.made_by(STUDY, "stream"),
        stream_timing=overview.made_by(STUDY, "timing_stream"),
    output:
        measurements=paths.MEASUREMENTS.format(study=STUDY.name),
        summary=paths.SUMMARY.format(study=STUDY.name),
    benchmark:
        "data/logs/collect/collect.benchmark.tsv"
    script:
        "../scripts/collect.py"


rule table:
    input:
        recipe=paths.RECIPE["table"].format(study=STUDY.name, table="{table}"),
        measurements=paths.MEASUREMENTS.format(study=STUDY.name),
    output:
        csv=paths.TABLE.format(study=STUDY.name, table="{table}"),
        tex=paths.TABLE_TEX.format(study=STUDY.name, table="{table}"),
    benchmark:
        "data/logs/table/{table}.benchmark.tsv"
    script:
        "../scripts/table.py"


rule figure:
    input:
        recipe=paths.RECIPE["figure"].format(study=STUDY.name, figure="{figure}"),
        measurements=paths.MEASUREMENTS.format(study=STUDY.name),
    output:
        png=paths.FIGURE_PNG.format(study=STUDY.name, figure="{figure}"),
        pdf=paths.FIGURE_PDF.format(study=STUDY.name, figure="{figure}"),
    benchmark:
        "data/logs/figure/{figure}.benchmark.tsv"
    script:
        "../scripts/figure.py"


rule picture:
    input:
        unpack(
            lambda wildcards: STUDY.graph[
                encoding_paths.PICTURE_PNG.format(
                    study=STUDY.name, dataset=wildcards.dataset
                )
            ].inputs
        ),
    output:
        png=encoding_paths.PICTURE_PNG.replace("{study}", STUDY.name),
        pdf=encoding_paths.PICTURE_PDF.replace("{study}", STUDY.name),
    benchmark:
        "data/logs/picture/{dataset}.benchmark.tsv"
    script:
        "../scripts/picture.py"


rule grid:
    input:
        unpack(
            overview.aligned(
                STUDY.graph,
                [diffusion_paths.GRID.replace("{study}", STUDY.name)],
            )
        ),
    output:
        artifact=[diffusion_paths.GRID.replace("{study}", STUDY.name)],
    benchmark:
        "data/logs/grid/{picture}.benchmark.tsv"
    wildcard_constraints:
        picture=overview.either(STUDY.diffusion.pictures),
    threads: 1
    script:
        "../scripts/grid.py"


rule page:
    input:
        recipe=paths.RECIPE["page"].format(study=STUDY.name),
        measurements=paths.MEASUREMENTS.format(study=STUDY.name),
        tables=expand(paths.TABLE, study=STUDY.name, table=STUDY.tables),
        figures=expand(paths.FIGURE_PNG, study=STUDY.name, figure=STUDY.figures)
        + expand(
            encoding_paths.PICTURE_PNG,
            study=STUDY.name,
            dataset=STUDY.encodings.datasets,
        )
        + overview.made_by(STUDY, "grid"),
    output:
        page=paths.PAGE.format(study=STUDY.name),
    benchmark:
        "data/logs/page/page.benchmark.tsv"
    script:
        "../scripts/page.py"
