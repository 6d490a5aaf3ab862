"""The models: the network (embeddings, backbone, heads) and the architectures, which importing registers."""

from danlu.architectures import bag, convolutional, hybrid, presets, recurrent, transformer
from danlu.architectures.network import Network, build_network

__all__ = ["Network", "bag", "build_network", "convolutional", "hybrid", "presets", "recurrent", "transformer"]
