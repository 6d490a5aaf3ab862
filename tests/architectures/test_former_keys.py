"""Settings under the names of the previous version, and the imports between the modules of architectures."""

from __future__ import annotations

import grimp
import pytest

from danlu.architectures import Network  # noqa: F401, registers every architecture
from danlu.registry import architectures
from danlu.settings import RenamedKey

FORMER = {
    "hidden": ("ffn_dim", 24),
    "head_width": ("head_dim", 6),
    "head_norm": ("qk_norm", True),
    "buckets": ("relative_buckets", 8),
    "farthest": ("max_relative_distance", 40),
}


@pytest.mark.parametrize("name", sorted(architectures))
def test_every_former_key_is_accepted_with_a_warning(name):
    kind = architectures[name]
    expected = {former: FORMER[former][0] for former in FORMER if FORMER[former][0] in kind.model_fields}
    assert kind.renamed == expected
    for former, current in expected.items():
        value = FORMER[former][1]
        with pytest.warns(RenamedKey, match=f"{former!r} is now called {current!r}"):
            found = kind.model_validate({former: value})
        assert found == kind.model_validate({current: value})


@pytest.mark.parametrize("name", sorted(architectures))
def test_every_setting_has_a_description_even_with_a_preset_default(name):
    kind = architectures[name]
    assert [key for key, field in kind.model_fields.items() if key != "name" and not field.description] == []
    properties = kind.model_json_schema()["properties"]
    assert all(properties[key]["description"] for key in properties if key != "name")


def test_architectures_have_no_import_cycle():
    graph = grimp.build_graph("danlu", exclude_type_checking_imports=False)
    modules = [name for name in graph.modules if name.startswith("danlu.architectures.")]
    for name in modules:
        below = graph.find_upstream_modules(name)
        assert name not in {
            module for below_one in below for module in graph.find_modules_directly_imported_by(below_one)
        }
