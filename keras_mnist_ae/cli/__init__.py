"""The command line: `kae`. Each command imports what is heavy when it runs."""
