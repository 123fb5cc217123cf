"""Which neural-network structure gives the most quality for the compute, on your data?

    import netwright
    netwright.compare("digits", budget="3s")

Importing the package does not import torch; the first use of a function does.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "compare",
    "cost",
    "evaluate",
    "generate",
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
        generate,
        load,
        matrix,
        predict,
        report,
        resume,
        train,
    )


class _Package(ModuleType):
    """This package, whose functions keep their names where a room has the same.

    The import system binds `netwright.train` to the room when it is first imported; a property is
    not rebound, so that the name always means the function. `from netwright.train import ...` goes
    by `sys.modules` and is not touched.
    """


def _function(name: str) -> property:
    def get(_: ModuleType) -> Any:
        from netwright import face

        return getattr(face, name)

    def bind(_: ModuleType, _room: object) -> None:
        """What the import system would bind is left out."""

    return property(get, bind)


for _name in __all__:
    setattr(_Package, _name, _function(_name))
sys.modules[__name__].__class__ = _Package
