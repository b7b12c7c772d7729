"""The settings that all experiments share."""

from typing import Annotated

from pydantic import Field, model_validator

from workflow_scripts.settings.base import Base
from workflow_scripts.settings.data import Data
from workflow_scripts.settings.jobs import Jobs
from workflow_scripts.settings.model import Model
from workflow_scripts.settings.rl import Rl
from workflow_scripts.settings.sampling import Sampling
from workflow_scripts.settings.sft import Sft
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.settings.values import Distinct, NonNegative, Section, Seed, require
from workflow_scripts.task.task import Task

_RESERVED = ("base", "reference")  # folders in data/ and results/ that belong to no tier


class StudySettings(Section):
    """The settings that all experiments share."""

    tier: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    """Name of the tier (a named configuration). Its files are in data/<tier> and results/<tier>."""
    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    """Seeds of the SFT runs. RL runs are made from each SFT run, with the same seed. Each seed has
    its own SFT data and RL prompts; the validation sets are the same for all seeds."""
    checkpoint_seconds: NonNegative
    """Seconds between checkpoints of a training run. A killed run loses at most the work since its
    last checkpoint. Results do not depend on this setting."""
    task: Task
    data: Data
    base: Base
    model: Model
    sft: Sft
    rl: Rl
    sampling: Sampling
    jobs: Jobs
    statistics: Statistics

    @model_validator(mode="after")
    def _agrees(self) -> "StudySettings":
        """Check settings whose allowed values depend on another section. Raises SettingError."""
        require(self.tier not in _RESERVED, "tier", self.tier, f"none of {', '.join(_RESERVED)}")
        data, task = self.data, self.task
        for key, steps in (
            ("data.sft_steps.high", data.sft_steps.high),
            ("data.validation_steps.high", data.validation_steps.high),
            ("base.corpus.program_steps", self.base.corpus.program_steps),
        ):
            require_variables(task, key, steps)
        allowed = f"a range that holds that of SFT, {data.sft_steps}"
        holds = data.validation_steps.holds(data.sft_steps)
        require(holds, "data.validation_steps", data.validation_steps, allowed)
        batch = self.sft.batch_size
        allowed = f"at least sft.batch_size, which is {batch}"
        require(data.sft_examples >= batch, "data.sft_examples", data.sft_examples, allowed)
        subset, problems = self.sampling.pass_at_k.n_problems, data.validation_problems
        allowed = f"at most data.validation_problems, which is {problems}"
        require(subset <= problems, "sampling.pass_at_k.n_problems", subset, allowed)
        return self


def require_variables(task: Task, key: str, n_steps: int) -> None:
    """Raise SettingError if n_steps + 1, the variables of a program, exceeds task.n_variables."""
    allowed = f"at most {task.n_variables - 1} steps, one less than task.n_variables"
    require(n_steps < task.n_variables, key, n_steps, allowed)
