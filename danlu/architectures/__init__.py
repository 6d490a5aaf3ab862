"""What predicts: the learner (embedding, backbone, head) and the backbones."""
