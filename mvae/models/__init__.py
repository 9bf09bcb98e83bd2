"""Models: the MVAE and its baselines, one file each, with the objectives that train them."""
