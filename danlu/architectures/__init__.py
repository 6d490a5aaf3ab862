"""The network (embeddings, backbone, heads) and the architectures. Importing this package registers them."""

from danlu.architectures import bag, convolutional, hybrid, presets, recurrent, transformer
from danlu.architectures.network import Network, build_network

__all__ = ["Network", "bag", "build_network", "convolutional", "hybrid", "presets", "recurrent", "transformer"]
