"""Which neural-network structure gives the most quality for the compute, on your data?

    import netwright
    netwright.compare("digits", budget="3s")

Importing the package does not import torch; the first use of a function does.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "compare",
    "cost",
    "evaluate",
    "load",
    "matrix",
    "predict",
    "report",
    "resume",
    "train",
]

if TYPE_CHECKING:
    from netwright.face import (
        compare,
        cost,
        evaluate,
        load,
        matrix,
        predict,
        report,
        resume,
        train,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        from netwright import face

        return getattr(face, name)
    raise AttributeError(f"module 'netwright' has no attribute '{name}'")
