"""Section `jobs`: what jobs ask of a scheduler. No result depends on it."""

from workflow_scripts.settings.values import Count, CountOrZero, Section


class JobNeeds(Section):
    """What a job asks of a scheduler."""

    mem_mb: Count
    """Memory in MB; a second attempt asks for twice as much."""
    runtime: Count
    """Minutes; a second attempt at rollouts asks for twice as many."""


class Jobs(Section):
    """What the heavy stages ask SLURM for, where results/reference has not measured it."""

    gpus: CountOrZero
    """GPUs of a job. What a model computes on is model.device."""
    base: JobNeeds
    """Training a base model."""
    sft: JobNeeds
    """An SFT run."""
    rl: JobNeeds
    """An RL run."""
    rollouts: JobNeeds
    """The rollouts of one evaluation of one run."""
