"""The generated parts of the README and of the pages: one module for each page; `make docs` runs
them with cog.
"""
