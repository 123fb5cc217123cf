"""Which neural-network structure gives the most quality for the compute, on your data?"""

__version__ = "0.1.0"
