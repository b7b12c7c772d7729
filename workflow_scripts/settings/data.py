"""Section `data`: how many problems of which length are drawn."""

from workflow_scripts.settings.values import Count, Range, Section, Share


class Data(Section):
    """Sizes of the data sets, and the lengths of their problems in steps."""

    sft_examples: Count
    """Examples of each SFT set."""
    sft_steps: Range
    """Steps of the problems in SFT."""
    rl_prompts: Count
    """Prompts of each RL set; a run repeats them in another order."""
    rl_evaluation_share: Share
    """Share of evaluation problems among the RL prompts; the others are inversion problems."""
    validation_problems: Count
    """Problems of each validation set, dev and final alike."""
    validation_steps: Range
    """Steps of the validation problems."""
