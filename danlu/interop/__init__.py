"""Import and export: model folders of danlu and of Hugging Face transformers."""

from danlu.interop.hf_export import Export, NotExported, export, save_native
from danlu.interop.logit_check import check_export
from danlu.interop.model_card import Origin
from danlu.interop.model_loading import SavedModel, describe_model, load_model, read_model
from danlu.interop.submodels import merge_submodels

__all__ = [
    "Export",
    "NotExported",
    "Origin",
    "SavedModel",
    "check_export",
    "describe_model",
    "export",
    "load_model",
    "merge_submodels",
    "read_model",
    "save_native",
]
