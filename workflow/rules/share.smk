# Fetches what DVC tracks of a study: all of it, `--config pull=measurements`, or `pull=GLOB` with
# all that the matching artifacts are made from.
rule pull:
    localrule: True
    script:
        "../scripts/pull.py"
