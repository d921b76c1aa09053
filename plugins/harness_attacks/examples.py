"""Examples for the conformance suite: parameters that take little time."""

from __future__ import annotations

from harness.api import AttackExample, Examples

FEW = {"iterations": 20, "search_steps": 3, "learning_rate": 0.05, "initial_const": 0.1}

FEW_STEPS = {"iterations": 5}

ON_GPU = {"steps": 4}
"""Projections onto l1 balls are hundreds of operations."""

EXAMPLES: Examples = {
    "attack:fab-l1": AttackExample(parameters=FEW_STEPS, tolerance=0.01),
    "attack:fab-l2": [
        AttackExample(parameters=FEW_STEPS | {"variant": "fab-t"}, tolerance=0.01),
        AttackExample(parameters=FEW_STEPS | {"epsilon": 0.3}, tolerance=0.01),
    ],
    "attack:fab-linf": AttackExample(
        parameters=FEW_STEPS | {"variant": "fab-t", "epsilon": 0.1, "restarts": 2}, tolerance=0.01
    ),
    "attack:fgsm": [
        AttackExample(tolerance=0.01),
        AttackExample(parameters={"epsilon": "search"}, tolerance=0.1),
    ],
    "attack:ifgsm": [
        AttackExample(parameters={"epsilon": 0.1, "steps": 5}, tolerance=0.01),
        AttackExample(parameters={"steps": 4, "attempts": 8}, tolerance=0.3),
        AttackExample(
            parameters={"steps": 4, "attempts": 4, "momentum": 1.0, "input_diversity": 0.5},
        ),
    ],
    "attack:cw": AttackExample(parameters=FEW, tolerance=0.3, looks=1),
    "attack:deepfool": AttackExample(tolerance=0.03),
    "attack:deepfool-linf": AttackExample(parameters={"final_search": 3}, tolerance=0.01),
    "attack:ead": AttackExample(
        parameters=FEW | {"iterations": 40}, tolerance=0.5, looks=3, on_gpu={"iterations": 10}
    ),
    "attack:apgd-l1": AttackExample(
        parameters={"epsilon": 0.25, "steps": 20}, tolerance=0.1, on_gpu={"steps": 2}
    ),
    "attack:apgd-l2": AttackExample(
        parameters={"epsilon": 0.25, "steps": 8, "loss": "dlr"}, tolerance=0.02
    ),
    "attack:apgd-linf": [
        AttackExample(parameters={"epsilon": 0.1, "steps": 5}, tolerance=0.01),
        AttackExample(
            parameters={"epsilon": 0.1, "steps": 3, "restarts": 2, "loss": "targeted-dlr"},
            tolerance=0.01,
        ),
    ],
    "attack:autoattack-l1": AttackExample(
        parameters={"epsilon": 0.25, "steps": 8, "restarts": 1, "target_classes": 2},
        tolerance=0.1,
        on_gpu={"steps": 2, "target_classes": 1},
    ),
    "attack:autoattack-l2": AttackExample(
        parameters={"epsilon": 0.25, "steps": 8, "target_classes": 2, "queries": 10}, tolerance=0.02
    ),
    "attack:autoattack-linf": AttackExample(
        parameters={"epsilon": 0.1, "steps": 5, "target_classes": 2, "queries": 10}, tolerance=0.01
    ),
    "attack:ddn": AttackExample(parameters={"steps": 100}, tolerance=0.05, on_gpu=ON_GPU),
    "attack:fmn-l0": AttackExample(parameters={"steps": 40}, tolerance=0.5, on_gpu=ON_GPU),
    "attack:fmn-l1": AttackExample(parameters={"steps": 100}, tolerance=0.2, on_gpu=ON_GPU),
    "attack:fmn-l2": AttackExample(parameters={"steps": 40}, tolerance=0.05, on_gpu=ON_GPU),
    "attack:fmn-linf": AttackExample(parameters={"steps": 40}, tolerance=0.05, on_gpu=ON_GPU),
    "attack:pgd-l1": AttackExample(
        parameters={"epsilon": 0.25, "steps": 10}, tolerance=0.1, on_gpu={"steps": 2}
    ),
    "attack:pgd-l2": AttackExample(
        parameters={"epsilon": 0.25, "relative_step": 0.3, "steps": 20}, tolerance=0.02
    ),
    "attack:pgd-linf": AttackExample(parameters={"epsilon": 0.1, "steps": 5}, tolerance=0.01),
    "attack:sigma-zero": AttackExample(parameters={"steps": 60}, tolerance=1.0, on_gpu=ON_GPU),
    "attack:square-l2": AttackExample(parameters={"epsilon": 0.2, "queries": 30}, tolerance=0.75),
    "attack:square-linf": AttackExample(parameters={"epsilon": 0.1, "queries": 30}, tolerance=0.6),
}
