"""What ART's evasion attacks on images are: their signatures, and what these do not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.api import Norm
from harness_foreign.attack import imported
from harness_foreign.entry import Entry
from harness_foreign.listing import LABELS, SCORES, by_norm, draws, goals, parameters

_DETECTOR, _SPEECH = "attacks object detectors or trackers", "attacks speech recognition"
_TENSORFLOW, _GUIDE = "is for TensorFlow", "copies features of images that are given to it"
_PATCH = "makes one patch for many images, at random places"
LEFT_OUT = {
    "AdversarialPatch": _PATCH,
    "AdversarialPatchNumpy": _PATCH,
    "AdversarialPatchPyTorch": _PATCH,
    "AdversarialPatchTensorFlowV2": _TENSORFLOW,
    "AdversarialTexturePyTorch": _DETECTOR,
    "BrendelBethgeAttack": "foolbox has it",
    "CarliniWagnerASR": _SPEECH,
    "DecisionTreeAttack": "attacks decision trees",
    "DPatch": _DETECTOR,
    "FeatureAdversariesNumpy": _GUIDE,
    "FeatureAdversariesPyTorch": _GUIDE,
    "FeatureAdversariesTensorFlowV2": _TENSORFLOW,
    "FrameSaliencyAttack": "attacks videos",
    "GRAPHITEBlackbox": "needs an image of the target class",
    "HighConfidenceLowUncertainty": "attacks Gaussian processes",
    "ImperceptibleASR": _SPEECH,
    "ImperceptibleASRPyTorch": _SPEECH,
    "LaserAttack": "needs objects that draw lasers",
    "LowProFool": "attacks tables",
    "MalwareGDTensorFlow": "attacks programs",
    "OverloadPyTorch": _DETECTOR,
    "OverTheAirFlickeringPyTorch": "attacks videos",
    "ProjectedGradientDescentTensorFlowV2": _TENSORFLOW,
    "RobustDPatch": _DETECTOR,
    "SNAL": _DETECTOR,
}
_LABELS = ("BoundaryAttack", "GeoDA", "HopSkipJump", "SignOPTAttack")
_SCORES = ("SquareAttack", "SimBA", "ZooAttack", "PixelAttack", "ThresholdAttack",
           "SpatialTransformation")  # fmt: skip
_ONLY_TARGETED = ("GRAPHITEWhiteboxPyTorch", "SaliencyMapMethod", "TargetedUniversalPerturbation")
_ONLY_UNTARGETED = ("AutoAttack",)
"""Its targets are its own: it wants true classes, and leaves out what is not one."""
_NORMS = {
    "BasicIterativeMethod": Norm.LINF,
    "CarliniL0Method": Norm.L0,
    "CarliniLInfMethod": Norm.LINF,
    "ElasticNet": Norm.L1,
    "PixelAttack": Norm.L0,
    "SaliencyMapMethod": Norm.L0,
    "ThresholdAttack": Norm.LINF,
}
_THREE = {"inf": Norm.LINF, 1: Norm.L1, 2: Norm.L2}
_CHOICES = {
    "HopSkipJump": {"inf": Norm.LINF, 2: Norm.L2},
    "UniversalPerturbation": {"inf": Norm.LINF, 2: Norm.L2},
    "TargetedUniversalPerturbation": {"inf": Norm.LINF, 2: Norm.L2},
}
_NO_BUDGET = ("Wasserstein",)
"""Their eps bounds no norm of the harness's."""


def entries() -> Iterator[Entry]:
    from art.attacks import evasion
    from art.attacks.attack import EvasionAttack

    for name, kind in vars(evasion).items():
        if not (isinstance(kind, type) and issubclass(kind, EvasionAttack)) or name in LEFT_OUT:
            continue
        call = f"art.attacks.evasion:{name}"
        given = parameters(call)
        known: dict[str, Any] = {
            "call": call,
            "budget": "eps" if "eps" in given and name not in _NO_BUDGET else None,
            "stochastic": draws(imported(call)) or name == "AutoAttack",
            **goals(
                targeted=name in _ONLY_TARGETED
                or ("targeted" in given and name not in _ONLY_UNTARGETED),
                untargeted=name not in _ONLY_TARGETED,
            ),
        }
        if name in _LABELS + _SCORES:
            known["access"] = LABELS if name in _LABELS else SCORES
        if "norm" in given and name != "Wasserstein":
            usual = given["norm"].default
            usual = "inf" if usual == float("inf") else usual
            yield from by_norm(name, _CHOICES.get(name, _THREE), usual, **known)
        else:
            yield Entry(name, norm=_NORMS.get(name, Norm.L2), **known)
