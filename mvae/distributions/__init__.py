"""Distributions: Gaussians over latents and their products, and likelihoods of observations."""
