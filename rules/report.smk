# Tables, figures and claims, which need no torch and take seconds; and the targets that people type.


rule figure:
    input:
        unpack(inputs("figures/{name}")),
    output:
        png=f"{RESULTS}/figures/{{name}}.png",
        svg=f"{RESULTS}/figures/{{name}}.svg",
    log:
        f"{RESULTS}/logs/figures/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/{{name}}.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Figure {output.png}"
    shell:
        run_job("figures/{name}") + " && echo ready: {output.png:q}"


rule table:
    input:
        unpack(inputs("tables/{name}")),
    output:
        csv=f"{RESULTS}/tables/{{name}}.csv",
        markdown=f"{RESULTS}/tables/{{name}}.md",
    log:
        f"{RESULTS}/logs/tables/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/{{name}}.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Table {output.markdown}"
    shell:
        run_job("tables/{name}") + " && echo ready: {output.markdown:q}"


rule quantities:
    input:
        unpack(inputs("quantities/{experiment}")),
    output:
        quantities=f"{RESULTS}/quantities/{{experiment}}.json",
    log:
        f"{RESULTS}/logs/quantities/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/quantities/{{experiment}}.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Measure what the experiment {wildcards.experiment} says of the claims"
    shell:
        run_job("quantities/{experiment}")


rule claims:
    input:
        unpack(inputs("claims")),
    output:
        json=f"{RESULTS}/claims.json",
        markdown=f"{RESULTS}/claims.md",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Claims {output.markdown}"
    shell:
        run_job("claims") + " && echo ready: {output.markdown:q}"


rule cost:
    localrule: True
    threads: 1
    message:
        f"What the tier {study.tier} costs"
    shell:
        run_job("cost", log="")


# Every target by name; `claims` and `rl_benchmark` are rules already, `all` stands in the Snakefile.
for name in [target for target in plan.targets if target not in ("all", "claims", "rl_benchmark")]:

    rule:
        name:
            name
        input:
            plan.outputs(name),
        localrule: True
        message:
            f"{name} is complete in {RESULTS}"
