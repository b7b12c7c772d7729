"""Section `data`: the number of problems in the data sets, and their lengths in steps."""

from workflow_scripts.settings.values import Count, Range, Section, Share


class Data(Section):
    """Sizes of the data sets, and the lengths of their problems in steps."""

    sft_examples: Count
    """Number of examples in each SFT set."""
    sft_steps: Range
    """Numbers of steps of the problems in SFT sets."""
    rl_prompts: Count
    """Number of prompts in each RL set. Each seed has its own sets. A run that needs more prompts
    repeats its set, each time in a new order."""
    rl_evaluation_share: Share
    """Share of evaluation problems among the RL prompts; the others are inversion problems."""
    validation_problems: Count
    """Number of problems in each validation set. The sets dev and confirm have the same size."""
    validation_steps: Range
    """Numbers of steps of the validation problems."""
