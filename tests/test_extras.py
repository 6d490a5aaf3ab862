import json

import pytest

from danlu.errors import WrongInput
from danlu.extras import need


def test_a_module_that_is_there_is_given():
    assert need("json", "clean", "reading") is json


def test_a_missing_module_names_the_command_that_installs_it():
    with pytest.raises(WrongInput, match=r"mending text needs no_such_module; .*pip install 'danlu\[clean\]'"):
        need("no_such_module", "clean", "mending text")
