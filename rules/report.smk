# Tables, figures and claims, and the named targets. The jobs take seconds and do not import torch.


rule figure:
    input:
        unpack(inputs("figures/{name}")),
    output:
        png=f"{RESULTS}/figures/{{name}}.png",
        svg=shown(f"{RESULTS}/figures/{{name}}.svg", "figure"),
        caption=f"{RESULTS}/figures/{{name}}.md",
    log:
        f"{RESULTS}/logs/figures/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/{{name}}.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        caption=caption("figure"),
    message:
        "Draw the figure {output.png}"
    shell:
        run_job("figures/{name}")


rule table:
    input:
        unpack(inputs("tables/{name}")),
    output:
        csv=shown(f"{RESULTS}/tables/{{name}}.csv", "table"),
        markdown=f"{RESULTS}/tables/{{name}}.md",
        latex=f"{RESULTS}/tables/{{name}}.tex",
    log:
        f"{RESULTS}/logs/tables/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/{{name}}.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        caption=caption("table"),
    message:
        "Write the table {output.markdown}"
    shell:
        run_job("tables/{name}")


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
        "Measure the quantities of the experiment {wildcards.experiment} for the claims"
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
        "Judge the claims: {output.markdown}"
    shell:
        run_job("claims")


rule cost:
    localrule: True
    threads: 1
    message:
        f"Forecast the cost of the tier {study.tier}"
    shell:
        run_job("cost", log="")


# A rule for each target. `claims` and `rl_benchmark` are not in this loop, because rules of these
# names make their files. The rule `all` is in the Snakefile.
for name in [target for target in plan.targets if target not in ("all", "claims", "rl_benchmark")]:

    rule:
        name:
            name
        input:
            plan.outputs(name),
        localrule: True
        message:
            f"{name} is complete in {RESULTS}"
