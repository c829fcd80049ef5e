"""From trained models to files that run elsewhere."""
