"""Analysis: what a model infers and generates, alone and beside other models."""
