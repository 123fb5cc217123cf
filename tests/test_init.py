"""The package imports at once, and its names are the face's functions for ever."""

import subprocess
import sys

import pytest

import netwright
from netwright import face


def test_importing_the_package_imports_no_torch() -> None:
    code = (
        "import sys, netwright\n"
        "assert netwright.__version__\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", netwright.__all__)
def test_a_name_is_the_faces_also_where_a_room_has_the_same(name: str) -> None:
    import netwright.compare.plan
    import netwright.cost.measure
    import netwright.report.page
    import netwright.train.work

    assert getattr(netwright, name) is getattr(face, name)
    assert getattr(face, name).__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'netwright' has no attribute 'trian'"):
        _ = netwright.trian
