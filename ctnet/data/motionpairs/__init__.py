"""MotionPairs: 44 classes of drawn clips in which order can be proved to matter.

Each temporal clip has its exact time reversal in the same split, under the partner's label: a network that
cannot see the order of frames scores at most 50 % within a pair. In the `strict` tier a single frame says
nothing either, even with its place in time known: every process there is stationary and starts at a uniform
phase.
"""

from ctnet.data.motionpairs.classes import CLASSES, FLIP, PAIRS, REVERSE, TIERS, reverse_map
from ctnet.data.motionpairs.pairs import SPLITS, VERSION, clip, pair, texture_seed
from ctnet.data.motionpairs.stage import Difficulty

__all__ = [
    "CLASSES",
    "FLIP",
    "PAIRS",
    "REVERSE",
    "SPLITS",
    "TIERS",
    "VERSION",
    "Difficulty",
    "clip",
    "pair",
    "reverse_map",
    "texture_seed",
]
