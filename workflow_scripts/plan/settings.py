"""All settings of a study: those that experiments share, and the experiments."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import Field, create_model, model_validator

from workflow_scripts.experiments.experiment import Experiment
from workflow_scripts.experiments.main import Main
from workflow_scripts.experiments.registry import EXPERIMENTS
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Section

E = TypeVar("E", bound=Experiment)


class ExperimentSections(Section):
    """The experiments of a study. Each has a section of its own, and can be left out there."""

    def all(self) -> Iterator[Experiment]:
        """Every experiment, those that are not enabled too."""
        for kind in EXPERIMENTS:
            yield self.of(kind)

    def of(self, kind: type[E]) -> E:
        """The experiment of a kind."""
        return cast(E, getattr(self, kind.name))


if TYPE_CHECKING:
    Experiments = ExperimentSections
else:
    Experiments = create_model(
        "Experiments",
        __base__=ExperimentSections,
        **{kind.name: (kind, Field()) for kind in EXPERIMENTS},
    )


class Settings(StudySettings):
    """The settings of a study."""

    experiments: Experiments

    @model_validator(mode="after")
    def _allow_experiments(self) -> "Settings":
        for experiment in self.experiments.all():
            experiment.check(self)
        return self

    @property
    def main(self) -> Main:
        """The main experiment, on which the others build."""
        return self.experiments.of(Main)

    @property
    def shared(self) -> StudySettings:
        """The settings that all experiments share."""
        return StudySettings.model_validate(self.model_dump(exclude={"experiments"}))
