"""Section `jobs`: resources that jobs request from a scheduler. They do not affect results."""

from workflow_scripts.settings.values import Count, CountOrZero, Section


class JobNeeds(Section):
    """The resources that a job requests from a scheduler."""

    mem_mb: Count
    """Memory in MB. A second attempt requests twice as much."""
    runtime: Count
    """Run time in minutes. A second attempt at rollouts requests twice as many."""


class Jobs(Section):
    """The resources that long jobs request from SLURM if results/reference has no measurement."""

    gpus: CountOrZero
    """Number of GPUs per job. Whether a model computes on a GPU depends on model.device."""
    base: JobNeeds
    """Training a base model."""
    sft: JobNeeds
    """An SFT run."""
    rl: JobNeeds
    """An RL run."""
    rollouts: JobNeeds
    """The rollouts (sampled responses) of one evaluation of one run."""
