"""Images: decoding and preprocessing of uploads, and pictures split into tiles."""
