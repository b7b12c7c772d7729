"""What keeps a study safe and people informed. No result depends on it, and no stage imports it.

receipts says what of a study is good; job runs a stage and writes its receipt; session stands
around a run of snakemake.
"""
