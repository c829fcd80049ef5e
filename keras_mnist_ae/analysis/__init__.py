"""Numbers: reconstruction errors, codes, generated images."""
