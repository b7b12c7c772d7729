"""Running a study safely: receipts, locks, the run cache, SLURM, sharing of results.

No result depends on this package, and no stage imports it. `receipts` decides which jobs are good,
`job` runs one job and writes its receipt, `session` prepares a run of snakemake and reports how it
ended.
"""
