"""Fits against closed forms, numpy, scipy and scikit-learn, and leaving out against refitting."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from sklearn.isotonic import IsotonicRegression

from harness_laws import fits
from harness_laws.fits import LAWS, LawName, fit, left_out

ERRORS = np.array([0.17, 0.2, 0.2, 0.24, 0.29, 0.3, 0.36, 0.41, 0.48, 0.55])
LOGS = np.log(ERRORS)
NOISY = 0.06 + 0.03 * LOGS + 0.004 * np.random.default_rng(0).standard_normal(len(ERRORS))
TRUE: dict[LawName, tuple[dict[str, float], np.ndarray]] = {
    "constant": ({"a": 0.03}, np.full_like(ERRORS, 0.03)),
    "log-linear": ({"a": 0.062, "b": 0.029}, 0.062 + 0.029 * LOGS),
    "power": ({"c": 0.08, "p": 1.234}, 0.08 * ERRORS**1.234),
    "piecewise": (
        {"a": 0.05, "b": 0.01, "bend": 0.03, "break": -1.1},
        0.05 + 0.01 * LOGS + 0.03 * np.maximum(LOGS + 1.1, 0),
    ),
}


@pytest.mark.parametrize("law", TRUE)
def test_a_law_without_noise_is_recovered(law: LawName) -> None:
    expected, robustness = TRUE[law]
    found = fit(law, ERRORS, robustness)
    assert found.coefficients == pytest.approx(expected, rel=1e-4)
    assert found.at(ERRORS) == pytest.approx(robustness, rel=1e-6)
    assert np.abs(left_out(law, ERRORS, robustness)).max() < 3e-4


def test_lines_are_numpys() -> None:
    b, a = np.polyfit(LOGS, NOISY, 1)
    assert fit("log-linear", ERRORS, NOISY).coefficients == pytest.approx({"a": a, "b": b})
    assert fit("constant", ERRORS, NOISY).coefficients == pytest.approx({"a": NOISY.mean()})


def test_a_line_loads_no_scipy() -> None:
    """The findings of a suite with few models show a line, and need nothing else of it."""
    program = (
        "import sys, numpy as np; from harness_laws.fits import fit;"
        "fit('log-linear', np.array([0.2, 0.3, 0.5]), np.array([1.0, 2.0, 4.0]));"
        "sys.exit(str({'torch', 'scipy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr


def test_a_power_is_scipys() -> None:
    (c, p), _ = curve_fit(lambda e, c, p: c * e**p, ERRORS, NOISY, (0.1, 1))
    assert fit("power", ERRORS, NOISY).coefficients == pytest.approx({"c": c, "p": p}, rel=1e-4)


def test_a_bend_is_no_worse_than_any_on_a_fine_grid() -> None:
    def lost(at: float) -> float:
        design = np.stack([np.ones_like(LOGS), LOGS, np.maximum(LOGS - at, 0)], axis=1)
        return float(np.linalg.lstsq(design, NOISY, rcond=None)[1].sum())

    mine = ((NOISY - fit("piecewise", ERRORS, NOISY).at(ERRORS)) ** 2).sum()
    inner = np.unique(LOGS)[2:-2]
    assert mine <= min(map(lost, np.linspace(inner[0], inner[-1], 2000))) * (1 + 1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_curves_are_scikit_learns(sign: int) -> None:
    oracle = IsotonicRegression(increasing=sign > 0, out_of_bounds="clip").fit(LOGS, sign * NOISY)
    at = np.linspace(0.1, 0.9, 50)
    found = fit("isotonic", ERRORS, sign * NOISY).at(at)
    assert found == pytest.approx(oracle.predict(np.log(at)))


@pytest.mark.parametrize("scale", [np.ones(len(ERRORS)), ERRORS**1.5])
@pytest.mark.parametrize("law", LAWS)
def test_leaving_out_is_refitting(
    law: LawName, scale: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = fits._shapes(law, ERRORS)
    monkeypatch.setattr(fits, "_shapes", lambda *_: shapes)  # the same ones without the model
    monkeypatch.setattr(fits, "_refined", lambda law, data, shapes, best: float(shapes[best]))
    found = left_out(law, ERRORS, NOISY, scale)
    if (scale == 1).all():
        assert found == pytest.approx(left_out(law, ERRORS, NOISY))
    for i in range(len(ERRORS)):
        rest = np.arange(len(ERRORS)) != i
        law_of_the_rest = fit(law, ERRORS[rest], NOISY[rest], scale[rest])
        slow = (NOISY[i] - law_of_the_rest.at(ERRORS[i : i + 1])[0]) / scale[i]
        assert found[i] == pytest.approx(slow, rel=1e-6, abs=1e-12)


def test_lines_in_proportion_are_numpys() -> None:
    b, a = np.polyfit(LOGS, NOISY, 1, w=1 / ERRORS)
    found = fit("log-linear", ERRORS, NOISY, ERRORS).coefficients
    assert found == pytest.approx({"a": a, "b": b})


def test_scatter_in_proportion_is_told_from_even_scatter() -> None:
    random = np.random.default_rng(1)
    errors = random.uniform(0.17, 0.6, 200)
    law, noise = 0.062 + 0.029 * np.log(errors), random.standard_normal(200)
    found = fits.scatter(errors, law * np.exp(0.1 * noise))
    assert found == pytest.approx(law, rel=0.1)
    assert fits.scatter(errors, law + 0.001 * noise) is None
    assert fits.scatter(errors, law - 0.02) is None, "not all are positive"
    assert fits.scatter(errors[:3], law[:3]) is None


def test_without_a_model_there_may_be_no_fit() -> None:
    errors, robustness = np.array([0.2, 0.2, 0.2, 0.3]), np.array([1.0, 2.0, 3.0, 9.0])
    assert np.isnan(left_out("log-linear", errors, robustness)).tolist() == [False] * 3 + [True]
    same = left_out("log-linear", np.full(4, 0.2), robustness)
    assert same == pytest.approx(left_out("constant", np.full(4, 0.2), robustness))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 999), st.integers(7, 14), st.floats(0.01, 100), st.sampled_from(LAWS))
def test_neither_order_nor_unit_matter(seed: int, models: int, unit: float, law: LawName) -> None:
    random = np.random.default_rng(seed)
    errors, robustness = random.uniform(0.1, 0.7, models), random.uniform(0.01, 0.1, models)
    order = random.permutation(models)
    found = left_out(law, errors, robustness)
    assert left_out(law, errors[order], robustness[order]) == pytest.approx(
        found[order], nan_ok=True
    )
    assert left_out(law, errors, unit * robustness) == pytest.approx(unit * found, nan_ok=True)
    if law != "power":  # which starts from 0 or infinity
        assert left_out(law, errors, robustness + 3) == pytest.approx(found, abs=1e-9, nan_ok=True)
