"""Analysis: what a model infers and generates, alone and compared with other models."""
