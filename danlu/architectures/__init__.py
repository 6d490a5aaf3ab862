"""What predicts: the learner (embedding, backbone, head) and the backbones. One import line each registers them."""

from danlu.architectures import bag, convolutional, hybrid, presets, recurrent, transformer
from danlu.architectures.learner import Learner, build_learner

__all__ = ["Learner", "bag", "build_learner", "convolutional", "hybrid", "presets", "recurrent", "transformer"]
