"""Running a study safely: receipts, locks, the run cache, SLURM, sharing of results.

A receipt records what a job was asked to make, and the hashes of the files that the job read and
wrote. No result depends on this package, and no stage imports it. `receipts` decides which jobs
must run, `job` runs one job and writes its receipt, `session` prepares a run of snakemake and
reports how the run ended.
"""
