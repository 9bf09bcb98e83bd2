"""Kinds of modalities: how their values are read, encoded and decoded."""
