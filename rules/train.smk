# SFT and RL. The declared output of a model is its manifest, which has the hashes of the model's
# other files.


rule sft:
    input:
        unpack(inputs("sft/{run}")),
    output:
        manifest=f"{RESULTS}/sft/{{run}}/model/manifest.json",
        log=f"{RESULTS}/sft/{{run}}/log.csv",
        record=f"{RESULTS}/sft/{{run}}/run.json",
    log:
        f"{RESULTS}/logs/sft/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sft/{{run}}.tsv"
    priority: priority_of_run
    threads: study.settings.model.threads
    resources:
        mem_mb=need("sft", "mem_mb"),
        runtime=need("sft", "runtime"),
        gpu=study.settings.jobs.gpus,
    message:
        "SFT {wildcards.run}"
    shell:
        run_job("sft/{run}")


rule grpo:
    input:
        unpack(inputs("rl/{run}")),
    output:
        manifest=f"{RESULTS}/rl/{{run}}/model/manifest.json",
        rollouts=f"{RESULTS}/rl/{{run}}/rollouts.csv",
        log=f"{RESULTS}/rl/{{run}}/log.csv",
        record=f"{RESULTS}/rl/{{run}}/run.json",
    log:
        f"{RESULTS}/logs/rl/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rl/{{run}}.tsv"
    priority: priority_of_run
    threads: study.settings.model.threads
    resources:
        mem_mb=need("rl", "mem_mb"),
        runtime=need("rl", "runtime"),
        gpu=study.settings.jobs.gpus,
    message:
        "RL {wildcards.run}"
    shell:
        run_job("rl/{run}")


rule rl_benchmark:
    input:
        unpack(inputs("rl_benchmark")),
    output:
        seconds=f"{RESULTS}/rl_benchmark.json",
    log:
        f"{RESULTS}/logs/rl_benchmark.log",
    benchmark:
        f"{RESULTS}/benchmarks/rl_benchmark.tsv"
    threads: study.settings.model.threads
    resources:
        mem_mb=4000,
        runtime=15,
        gpu=study.settings.jobs.gpus,
    message:
        "Time rollouts, RL steps and evaluations against TRL and transformers"
    shell:
        run_job("rl_benchmark")


rule clean_scratch:
    localrule: True
    threads: 1
    message:
        f"Remove the checkpoints in {RESULTS} from which no run of this configuration would resume"
    shell:
        run_job("clean_scratch", log="")
