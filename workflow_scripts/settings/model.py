"""Section `model`: the language model, how it is adapted, and what it computes on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workflow_scripts.settings.values import Count, Section, Share, require


class Lora(Section):
    """A low-rank adapter, as peft takes it."""

    r: Count
    """Rank of the update of each weight matrix."""
    alpha: Count
    """Scale: updates are multiplied by alpha / r."""
    dropout: Share
    """Dropout before the adapter, in training."""
    target_modules: Annotated[list[str], Field(min_length=1)] | Literal["all-linear"]
    """The layers that get an adapter, by name, or all-linear."""


class Hub(Section):
    """A model of the Hugging Face hub, fetched once by the target fetch_model."""

    repository: str
    """Owner and name of the repository."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit that is fetched."""
    folder: str | None = None
    """A folder with the same files, to be copied where there is no network."""


class Compute(Section):
    """What a model computes on."""

    device: Literal["cpu", "cuda"]
    """cpu, or cuda for an NVIDIA GPU."""
    dtype: Literal["float32", "bfloat16"]
    """Type of the weights."""
    threads: Count
    """CPU threads of torch. They are part of a run's identity: sums in another order give other
    bits."""


class TrainedModel(Compute):
    """A model in training; lora is None where all weights are trained."""

    adaptation: Literal["full", "lora"]
    """full: all weights are trained; lora: an adapter beside frozen weights."""
    lora: Lora | None = None
    """The adapter, if adaptation is lora."""


class RunSettings(Section):
    """What defines a training run of any stage: at least what its model computes on."""

    model: Compute


class Model(Compute):
    """The language model."""

    base: str
    """Folder of the base model. {task} stands for the task's name: gf11, gf13, gf11-asks=any."""
    hub: Hub | None = None
    """The hub model that fetch_model puts into results/<tier>/hub/model."""
    adaptation: Literal["full", "lora"]
    """full: all weights are trained; lora: an adapter beside frozen weights."""
    lora: Lora
    """The adapter, if adaptation is lora."""

    @model_validator(mode="after")
    def _place(self) -> "Model":
        try:
            self.base.format(task="gf11")
        except (KeyError, IndexError, ValueError):
            allowed = "a folder's path in which {task} alone may stand in braces"
            require(False, "base", self.base, allowed)
        return self

    @property
    def compute(self) -> Compute:
        """What the model computes on."""
        return Compute(device=self.device, dtype=self.dtype, threads=self.threads)

    @property
    def trained(self) -> TrainedModel:
        """What of this section decides a training run, the base model apart."""
        return TrainedModel(
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            adaptation=self.adaptation,
            lora=self.lora if self.adaptation == "lora" else None,
        )
