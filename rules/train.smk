# SFT and RL. Weights stand beside the manifest with their hashes, which is what the rules know of them:
# what builds on a model is decided by its content.


def planned_runs():
    """What the configuration knows of each training run, hashed, by the run's folder."""
    base_seed = study.settings.base.seed
    runs = [
        (f"{RESULTS}/base/{name}", "base", study.base_settings(name), base_seed)
        for name in study.base_tasks
    ]
    for run in study.runs.values():
        stage = {"sft": "sft", "rl": "grpo"}[run.folder]
        runs.append((study.run_folder(run), stage, study.training_settings(run), run.seed))
    planned = {}
    for folder, stage, settings, seed in runs:
        name = f"workflow_scripts.train.{stage}"
        planned[folder] = planned_digest(name, settings, seed, code_hash(name))
    return planned


rule sft:
    input:
        base=lambda w: f"{study.base_folder(find_run(w))}/manifest.json",
        data=lambda w: study.sft_file(find_run(w)),
        validation=lambda w: study.heldout_files(find_run(w)),
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
    params:
        settings=lambda w: as_json(study.training_settings(find_run(w))),
        seed=lambda w: find_run(w).seed,
        base=subpath(input.base, parent=True),
        folder=subpath(output.record, parent=True),
        code=code("train.sft"),
    message:
        "SFT {wildcards.run}"
    shell:
        training("train.sft")
        + " --settings {params.settings:q} --seed {params.seed} --base {params.base:q}"
        " --data {input.data:q} --validation {input.validation:q} --output {params.folder:q} 2> {log:q}"


rule grpo:
    input:
        sft=lambda w: f"{study.run_folder(find_run(w).sft)}/model/manifest.json",
        prompts=lambda w: study.prompts_file(find_run(w)),
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
    params:
        settings=lambda w: as_json(study.training_settings(find_run(w))),
        seed=lambda w: find_run(w).seed,
        sft=subpath(input.sft, parent=True),
        folder=subpath(output.record, parent=True),
        code=code("train.grpo"),
    message:
        "RL {wildcards.run}"
    shell:
        training("train.grpo")
        + " --settings {params.settings:q} --seed {params.seed} --sft {params.sft:q}"
        " --prompts {input.prompts:q} --output {params.folder:q} 2> {log:q}"


rule rl_benchmark:
    input:
        sft=lambda w: f"{study.run_folder(study.hardest_run.sft)}/model/manifest.json",
        rl=lambda w: f"{study.run_folder(study.hardest_run)}/model/manifest.json",
        prompts=lambda w: study.prompts_file(study.hardest_run),
    output:
        f"{RESULTS}/rl_benchmark.md",
    log:
        f"{RESULTS}/logs/rl_benchmark.log",
    benchmark:
        f"{RESULTS}/benchmarks/rl_benchmark.tsv"
    threads: study.settings.model.threads
    resources:
        mem_mb=4000,
        runtime=15,
        gpu=study.settings.jobs.gpus,
    params:
        settings=lambda w: as_json(study.training_settings(study.hardest_run)),
        sft=subpath(input.sft, parent=True),
        rl=subpath(input.rl, parent=True),
        code=code("train.benchmark"),
    message:
        "Time rollouts and RL steps against TRL's"
    shell:
        python("train.benchmark")
        + " --settings {params.settings:q} --sft {params.sft:q} --rl {params.rl:q}"
        " --prompts {input.prompts:q} --output {output:q} 2> {log:q}"


rule clean_scratch:
    localrule: True
    params:
        planned=lambda w: as_json(planned_runs()),
    message:
        f"Remove the checkpoints in {RESULTS} that no run of this configuration would continue"
    shell:
        python("scratch") + f" --results {RESULTS}" + " --planned {params.planned:q}"
