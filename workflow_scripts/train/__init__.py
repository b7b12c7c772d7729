"""The training stages: base model, SFT and GRPO."""
