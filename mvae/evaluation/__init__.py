"""Evaluation on the test split: reproducible figures, with their protocol."""
