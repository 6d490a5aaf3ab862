"""`builtin:tones`: short synthetic sounds, as magnitude spectra of their frames."""

from __future__ import annotations

from functools import cache

import numpy as np

from danlu.text.split import SPLITS

RATE = 4_000
"""Samples per second."""

WINDOW, HOP, FRAMES = 64, 32, 32
BINS = WINDOW // 2
"""Frequency bins of a frame, each RATE / WINDOW = 62.5 Hz wide, without the constant component."""

SAMPLES = WINDOW + HOP * (FRAMES - 1)
"""Samples per sound."""

LOWEST, HIGHEST = 100.0, 1_800.0
"""Range of frequencies in Hz."""

SOUNDS = {"train": 4_000, "validation": 400, "test": 400}
SALT = 20_260_101
CONTRAST = 20.0


def sound(split: str, number: int) -> np.ndarray:
    """Return the samples [SAMPLES] of one sound, a pure function of its split and number.

    A sound is a tone with overtones, a triad or a sweep, with attack, decay and a little noise.
    """
    rng = np.random.default_rng((SALT, SPLITS.index(split), number))
    time = np.arange(SAMPLES) / RATE
    kind = rng.integers(3)
    if kind == 0:
        base = pitch(rng, HIGHEST / 4)
        waves = sum(np.sin(2 * np.pi * base * k * time + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 5))
    elif kind == 1:
        base = pitch(rng, HIGHEST / 2)
        steps = (0, rng.integers(3, 5), 7)  # semitones of a minor or major triad
        waves = sum(np.sin(2 * np.pi * base * 2 ** (s / 12) * time + rng.uniform(0, 2 * np.pi)) for s in steps)
    else:
        first, last = pitch(rng, HIGHEST), pitch(rng, HIGHEST)
        cycles = np.cumsum(first * (last / first) ** (time / time[-1])) / RATE
        waves = np.sin(2 * np.pi * cycles)
    attack, decay = rng.uniform(0.005, 0.08), rng.uniform(0.1, 0.6)  # in seconds
    envelope = np.minimum(time / attack, 1) * np.exp(-time / decay)
    return np.asarray(waves) * envelope + 0.01 * rng.standard_normal(SAMPLES)


def pitch(rng: np.random.Generator, highest: float) -> float:
    """Draw a frequency in Hz from LOWEST to `highest`, uniformly on a logarithmic scale."""
    return float(LOWEST * (highest / LOWEST) ** rng.random())


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Return the scaled log magnitudes [FRAMES, BINS] float32 in [0, 1] of a sound [SAMPLES], from low to high bins."""
    at = HOP * np.arange(FRAMES)[:, None] + np.arange(WINDOW)
    magnitudes = np.abs(np.fft.rfft(samples[at] * np.hanning(WINDOW)))[:, 1:] / (WINDOW / 4)
    return np.clip(np.log1p(CONTRAST * magnitudes) / np.log1p(CONTRAST), 0, 1).astype(np.float32)


@cache
def spectrograms(split: str) -> np.ndarray:
    """Return the spectrograms [sounds, FRAMES, BINS] of a split."""
    return np.stack([spectrogram(sound(split, number)) for number in range(SOUNDS[split])])
