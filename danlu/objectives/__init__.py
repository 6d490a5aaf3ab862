"""Pre-training objectives, one file each. The imports below register them."""

from danlu.objectives import autoencoder as autoencoder
from danlu.objectives import bidirectional as bidirectional
from danlu.objectives import causal as causal
from danlu.objectives import cbow as cbow
from danlu.objectives import clusters as clusters
from danlu.objectives import contrastive as contrastive
from danlu.objectives import denoising as denoising
from danlu.objectives import glove as glove
from danlu.objectives import image_text as image_text
from danlu.objectives import latent_gan as latent_gan
from danlu.objectives import masked as masked
from danlu.objectives import masked_sentence as masked_sentence
from danlu.objectives import mixture as mixture
from danlu.objectives import next_sentence as next_sentence
from danlu.objectives import patches as patches
from danlu.objectives import permutation as permutation
from danlu.objectives import prefix as prefix
from danlu.objectives import reconstruct as reconstruct
from danlu.objectives import relatedness as relatedness
from danlu.objectives import replaced as replaced
from danlu.objectives import sentence_order as sentence_order
from danlu.objectives import skipgram as skipgram
from danlu.objectives import spans as spans
from danlu.objectives import translation as translation
