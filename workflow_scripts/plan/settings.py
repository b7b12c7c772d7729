"""All settings of a study: the shared settings, and one section for each experiment."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import Field, create_model, model_validator

from workflow_scripts.experiments.experiment import Experiment
from workflow_scripts.experiments.main import Main
from workflow_scripts.experiments.registry import EXPERIMENTS
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Section, require
from workflow_scripts.task.solutions import guess_and_check_words

E = TypeVar("E", bound=Experiment)


class ExperimentSections(Section):
    """The sections of the experiments. Each can be disabled by its setting `enabled`."""

    def all(self) -> Iterator[Experiment]:
        """All experiments, including those that are not enabled."""
        for kind in EXPERIMENTS:
            yield self.of(kind)

    def of(self, kind: type[E]) -> E:
        """The experiment of a given class."""
        return cast(E, getattr(self, kind.name))


if TYPE_CHECKING:
    Experiments = ExperimentSections
else:
    Experiments = create_model(
        "Experiments",
        __base__=ExperimentSections,
        __doc__="The experiments. Each has a section of its own.",
        **{kind.name: (kind, Field()) for kind in EXPERIMENTS},
    )


class Settings(StudySettings):
    """All settings of a study. Validation also checks that the settings are possible together."""

    experiments: Experiments

    @model_validator(mode="after")
    def _allow_experiments(self) -> "Settings":
        for experiment in self.experiments.all():
            experiment.check(self)
        self._hold_responses()
        return self

    def _hold_responses(self) -> None:
        """Raise SettingError if responses are too short for the longest solution.

        The longest solution is that of SFT or of any experiment.
        """
        task, steps = self.task, self.data.sft_steps.high
        needed = {f"one guess of {steps} steps": guess_and_check_words(task.form, steps)}
        for experiment in self.experiments.all():
            needed |= experiment.longest_responses(self)
        what, words = max(needed.items(), key=lambda item: item[1])
        allowed = f"at least {words}, the words of {what}"
        require(task.response_words >= words, "task.response_words", task.response_words, allowed)
        tokens, per_word = self.rl.max_new_tokens, task.form.tokens_per_word
        allowed = f"at least {task.response_words * per_word}: {per_word} for each of "
        allowed += "task.response_words"
        require(tokens >= task.response_words * per_word, "rl.max_new_tokens", tokens, allowed)

    @property
    def main(self) -> Main:
        """The main experiment, whose settings other experiments use too."""
        return self.experiments.of(Main)

    @cached_property
    def shared(self) -> StudySettings:
        """The settings without the sections of the experiments."""
        return StudySettings.model_validate(self.model_dump(exclude={"experiments"}))
