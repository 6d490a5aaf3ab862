"""Models as folders that other programs load, and back."""

from danlu.export.checking import check_export
from danlu.export.hugging_face import Export, NotExported, export, save_native
from danlu.export.loading import SavedModel, describe_model, load_model, read_model
from danlu.export.model_card import Origin
from danlu.export.within import together

__all__ = [
    "Export",
    "NotExported",
    "Origin",
    "SavedModel",
    "check_export",
    "describe_model",
    "export",
    "load_model",
    "read_model",
    "save_native",
    "together",
]
