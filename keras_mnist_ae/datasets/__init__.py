"""Image sets as arrays, behind `load`. Importing this room imports only numpy and the standard
library.
"""

from .catalog import Dataset, Split, data_folder, load
from .listing import Available, available
from .reading import Reading

__all__ = ["Available", "Dataset", "Reading", "Split", "available", "data_folder", "load"]
