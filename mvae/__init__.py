"""Multimodal variational autoencoders with a product-of-experts inference network."""
