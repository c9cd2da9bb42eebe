"""Loading without collections: they are off inside, and on again whatever happened."""

import gc

import pytest

from watchbill.kit.loading import loading


def test_collections_rest_while_modules_are_loaded_and_go_on_after_a_fault() -> None:
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
