"""Image sets as arrays, behind `load`. Importing this room imports only numpy and the standard
library.
"""

from .catalog import Available, Dataset, Split, available, data_folder, load

__all__ = ["Available", "Dataset", "Split", "available", "data_folder", "load"]
