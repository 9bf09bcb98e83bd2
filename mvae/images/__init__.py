"""Images: decoding and preprocessing uploads, and images split into tiles."""
