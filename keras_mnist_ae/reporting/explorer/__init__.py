"""The explorer: a run as one HTML file in which its encoder and decoder work."""
