"""What serves the pages: files loaded and cached, headers, and the scripts of components."""
