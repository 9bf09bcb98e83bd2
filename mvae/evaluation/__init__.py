"""Evaluation: figures that anyone can repeat, on the test split, with their protocol."""
