"""Boltzmann machines: sampling, and estimates of their normalisers."""
