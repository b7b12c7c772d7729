# Base models: shipped, trained from scratch, or fetched. Runs read the folder that model.base names.


rule base_model:
    output:
        manifest=f"{RESULTS}/base/{{base}}/model/manifest.json",
        log=f"{RESULTS}/base/{{base}}/log.csv",
        record=f"{RESULTS}/base/{{base}}/run.json",
    log:
        f"{RESULTS}/logs/base/{{base}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/base/{{base}}.tsv"
    priority: 1000
    threads: study.settings.model.threads
    resources:
        mem_mb=need("base", "mem_mb"),
        runtime=need("base", "runtime"),
        gpu=study.settings.jobs.gpus,
    params:
        settings=lambda w: as_json(study.base_settings(w.base)),
        folder=subpath(output.record, parent=True),
        code=code("train.base"),
    message:
        "Train the base model {wildcards.base} from scratch"
    shell:
        training("train.base")
        + " --settings {params.settings:q} --output {params.folder:q} 2> {log:q}"


rule compare_base:
    input:
        trained=[f"{RESULTS}/base/{name}/model/manifest.json" for name in study.base_tasks],
        shipped=[f"data/base/{name}/model/manifest.json" for name in study.base_tasks],
    output:
        f"{RESULTS}/base/comparison.md",
    log:
        f"{RESULTS}/logs/base/comparison.log",
    benchmark:
        f"{RESULTS}/benchmarks/base/comparison.tsv"
    threads: study.settings.model.threads
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=study.settings.jobs.gpus,
    params:
        settings=lambda w: [as_json(study.base_settings(name)) for name in study.base_tasks],
        code=code("train.compare_base"),
    message:
        "Compare the base models trained here with the shipped ones"
    shell:
        python("train.compare_base")
        + " --settings {params.settings:q} --trained {input.trained:q} --shipped {input.shipped:q}"
        " --output {output:q} 2> {log:q}"


rule rebuild_base:
    input:
        rules.compare_base.output,
    localrule: True
    message:
        "The base models were trained anew: {input}"


rule fetch_model:
    output:
        manifest=f"{RESULTS}/hub/model/manifest.json",
    log:
        f"{RESULTS}/logs/base/fetch.log",
    benchmark:
        f"{RESULTS}/benchmarks/base/fetch.tsv"
    localrule: True
    threads: 1
    params:
        hub=lambda w: as_json(study.settings.model.hub and study.settings.model.hub.model_dump()),
        code=code("model.fetch"),
    message:
        "Fetch the pre-trained model {params.hub}"
    shell:
        python("model.fetch") + " --hub {params.hub:q} --output {output.manifest:q} 2> {log:q}"
