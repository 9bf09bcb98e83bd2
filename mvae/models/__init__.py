"""Models: the MVAE and its baselines, one file each, with their training objectives."""
