"""Language models: the offline tokenizer and base corpus, loading and saving, decoding."""
