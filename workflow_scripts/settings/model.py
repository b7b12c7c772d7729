"""Section `model`: the language model, its adaptation, and the device it computes on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workflow_scripts.settings.values import Count, Section, Share, require


class Lora(Section):
    """A low-rank adapter (LoRA). The settings are those of the peft library."""

    r: Count
    """Rank of the update of each weight matrix."""
    alpha: Count
    """Scale: the update of a weight matrix is multiplied by alpha / r."""
    dropout: Share
    """Dropout probability of the adapter's input, in training."""
    target_modules: Annotated[list[str], Field(min_length=1)] | Literal["all-linear"]
    """Names of the layers that get an adapter, or all-linear for all linear layers."""


class Hub(Section):
    """A model of the Hugging Face hub. The target fetch_model fetches the model once."""

    repository: str
    """Owner and name of the repository."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit that is fetched."""
    folder: str | None = None
    """A folder with the same files. If set, the model is copied from there, not downloaded."""


class Compute(Section):
    """The device, number type and threads that a model computes with."""

    device: Literal["cpu", "cuda", "mps"]
    """cpu, cuda for an NVIDIA GPU, or mps for the GPU of an Apple computer. mps computes in float32
    alone; it was not yet run on such a computer."""
    dtype: Literal["float32", "bfloat16"]
    """Number type of the weights and of the computation. Weights in training are always float32."""
    threads: Count
    """Number of CPU threads of torch. Results depend on this number: sums in another order round
    differently."""

    @model_validator(mode="after")
    def _has_dtype(self) -> Self:
        allowed = "float32, as model.device is mps"
        require(self.device != "mps" or self.dtype == "float32", "dtype", self.dtype, allowed)
        return self


class TrainedModel(Compute):
    """The settings of a model in training. lora is None if all weights are trained."""

    adaptation: Literal["full", "lora"]
    """full: all weights are trained; lora: only an adapter is trained, beside frozen weights."""
    lora: Lora | None = None
    """The adapter, if adaptation is lora."""


class RunSettings(Section):
    """Base class of the settings that determine a training run. All runs need model."""

    model: Compute


class Model(Compute):
    """The language model."""

    base: str
    """Folder of the base model. {task} is replaced by the task's name: gf11, gf13 or
    gf11-asks=any. If data/base has no model for a task, such as gf7, the study trains one in
    results/<tier>/base."""
    hub: Hub | None = None
    """The hub model that the target fetch_model puts into results/<tier>/hub/model."""
    adaptation: Literal["full", "lora"]
    """full: all weights are trained; lora: only an adapter is trained, beside frozen weights."""
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
        """The settings of this section that say how the model computes."""
        return Compute(device=self.device, dtype=self.dtype, threads=self.threads)

    @property
    def trained(self) -> TrainedModel:
        """The settings of this section that determine a training run, except the base model."""
        return TrainedModel(
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            adaptation=self.adaptation,
            lora=self.lora if self.adaptation == "lora" else None,
        )
