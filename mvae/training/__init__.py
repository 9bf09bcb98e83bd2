"""Training: the loop, the recipes of the bundled models, and searches on the validation split."""
