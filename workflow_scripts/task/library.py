"""The task as a library: what other projects use of it, importable from one module.

docs/library.md has an example of each use. Every name is described in its own module.
"""

from workflow_scripts.task.datasets import (
    draw_prompts,
    draw_sft,
    draw_validation,
    make_heldout,
    make_prompts,
    make_sft,
    make_validation,
    read_dataset,
    write_dataset,
)
from workflow_scripts.task.export import export
from workflow_scripts.task.label import Label, label
from workflow_scripts.task.mixes import Compositions, PromptSingles, Singles, SolvedSingles
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    Problem,
    draw_composition,
    draw_problem,
)
from workflow_scripts.task.reward import is_correct, outcome_reward
from workflow_scripts.task.solutions import (
    BACKWARD,
    FORWARD,
    write_fitting_solution,
    write_solution,
)
from workflow_scripts.task.strangers import read_problem
from workflow_scripts.task.task import Task
from workflow_scripts.task.text import COMPACT, NATURAL
from workflow_scripts.task.trl_reward import make_reward, reward
from workflow_scripts.task.verify import lenient_reward, stated_answer

__all__ = [
    "BACKWARD",
    "COMPACT",
    "EVALUATION",
    "FORWARD",
    "INVERSION",
    "NATURAL",
    "Compositions",
    "Label",
    "Problem",
    "PromptSingles",
    "Singles",
    "SolvedSingles",
    "Task",
    "draw_composition",
    "draw_problem",
    "draw_prompts",
    "draw_sft",
    "draw_validation",
    "export",
    "is_correct",
    "label",
    "lenient_reward",
    "make_heldout",
    "make_prompts",
    "make_reward",
    "make_sft",
    "make_validation",
    "outcome_reward",
    "read_dataset",
    "read_problem",
    "reward",
    "stated_answer",
    "write_dataset",
    "write_fitting_solution",
    "write_solution",
]
