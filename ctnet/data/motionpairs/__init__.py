"""MotionPairs: 44 classes of drawn clips, on which a network without a sense of order provably fails.

38 of the classes form pairs: for each clip, its exact time reversal is in the same split under the partner's label. A
network that cannot see the order of frames therefore scores at most 50 % within a pair. In the `strict` tier a single
frame carries no information about direction either, even if its place in time is known, because every process there is
stationary and starts at a uniform phase.
"""

from ctnet.data.motionpairs.classes import CLASSES, FLIP, PAIRS, REVERSE, TIERS, reverse_map
from ctnet.data.motionpairs.pairs import SPLITS, VERSION, clip, mask, pair, texture_seed
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
    "mask",
    "pair",
    "reverse_map",
    "texture_seed",
]
