"""Language models: model files, sampling, and the tokenizer and corpus of offline base models.

An offline base model is a small model trained from scratch, so that no download is needed.
"""
