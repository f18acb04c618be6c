# Encodings split by gradient routing.


rule encode:
    input:
        unpack(overview.aligned(STUDY.graph, [encoding_paths.ENCODING])),
    output:
        artifact=[encoding_paths.ENCODING],
    benchmark:
        "data/logs/encode/{dataset}/{encoding}/s{s}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/encode.py"


rule rebuild:
    input:
        unpack(overview.aligned(STUDY.graph, [encoding_paths.REBUILT])),
    output:
        artifact=[encoding_paths.REBUILT],
    benchmark:
        "data/logs/rebuild/{dataset}/{encoding}/s{s}.benchmark.tsv"
    threads: 1
    script:
        "../scripts/rebuild.py"


rule certify:
    input:
        unpack(overview.aligned(STUDY.graph, [encoding_paths.CERTIFIED])),
    output:
        artifact=[encoding_paths.CERTIFIED],
    benchmark:
        "data/logs/certify/{dataset}/{encoding}/s{s}.benchmark.tsv"
    script:
        "../scripts/certify.py"
