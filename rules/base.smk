# Base models, trained from scratch or fetched. SFT starts from the model in the folder model.base.


rule base_model:
    input:
        unpack(inputs("base/{base}")),
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
    message:
        "Train the base model {wildcards.base} from scratch"
    shell:
        run_job("base/{base}")


rule compare_base:
    input:
        unpack(inputs("base/comparison")),
    output:
        page=f"{RESULTS}/base/comparison.md",
    log:
        f"{RESULTS}/logs/base/comparison.log",
    benchmark:
        f"{RESULTS}/benchmarks/base/comparison.tsv"
    threads: study.settings.model.threads
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=study.settings.jobs.gpus,
    message:
        "Compare the base models trained here with the shipped ones"
    shell:
        run_job("base/comparison")


rule hub_model:
    input:
        unpack(inputs("hub")),
    output:
        manifest=f"{RESULTS}/hub/model/manifest.json",
    log:
        f"{RESULTS}/logs/hub.log",
    benchmark:
        f"{RESULTS}/benchmarks/hub.tsv"
    retries: 0
    localrule: True
    threads: 1
    message:
        "Fetch the pre-trained model from the hub"
    shell:
        run_job("hub")
