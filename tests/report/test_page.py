"""The page without a browser: size, escaping, pictures, absent parts, files of the figures."""

from __future__ import annotations

import base64
import io
import json
import re
import sys

import altair
import numpy as np
import pytest
from altair.utils import schemapi
from page_toy import no_clean, render
from PIL import Image
from report_toy import ATTACKS, HOSTILE, MODELS, SUITE, Toy

from harness.cli.report import FORMATS
from harness.library.results import results
from harness.report.html import export
from harness.report.html.content import content
from harness.report.html.figure import packed
from harness.report.html.figures import security, sweeps
from harness.report.html.page import script_json
from harness.report.html.shown import Labels, Names
from harness.store.database import snapshot


def test_the_whole_page_is_small(page):
    assert page.stat().st_size <= 8_000_000


def test_nothing_is_loaded_and_scripts_are_named_by_their_hashes(page):
    text = re.sub(r"(<script>).*?(</script>)", r"\1\2", page.read_text("utf-8"), flags=re.S)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert policy.count("'sha256-") == 2
    assert not re.search(r"<(link|iframe|object|embed|base)\b", text)
    assert not re.search(r'<(img|script)[^>]*\bsrc="(?!data:)', text)


def test_json_cannot_end_its_script():
    hostile = {"</script><!--": [HOSTILE, "a&b", "\u2028"]}
    text = script_json(hostile)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == hostile


def test_names_and_paths_are_escaped(page):
    text = page.read_text("utf-8")
    assert "a b=&lt;/script&gt;" in text
    assert text.count("</script>") == 3


def test_images_are_those_that_are_stored(page):
    text = page.read_text("utf-8")
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', text)
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data, _ in sources]
    clean, adversarial, difference = pictures[:3]
    assert clean.shape == adversarial.shape == (32, 32, 3)
    assert "clean" in sources[0][1]
    assert "difference" in sources[2][1]
    # The toy's noise is +-0.08, clipped: the largest change spans the range, grey is none.
    expected = 127.5 + (adversarial / 255.0 - clean / 255.0) * 127.5 / 0.08
    assert np.abs(difference - expected).max() <= 255 / 0.08 / 255 / 2 + 2


def test_a_missing_clean_image_is_named(tmp_path):
    toy = Toy(tmp_path / "harness.db", models=MODELS[:1], attacks=ATTACKS[3:4], images=6,
              clean_images=6)  # fmt: skip
    toy.fill(measure=False, transfer=False)
    text = render(toy.close(), tmp_path, reader=no_clean).read_text("utf-8")
    assert "no clean image: there is no data set here" in text
    assert "The difference made by" not in text


def test_a_missing_artifact_is_named(tmp_path):
    toy = Toy(tmp_path / "harness.db", models=MODELS[:1], attacks=ATTACKS[3:4], images=6,
              clean_images=6)  # fmt: skip
    toy.fill(measure=False, transfer=False)
    database = toy.close()
    for file in (tmp_path / "harness.db.artifacts").iterdir():
        file.unlink()
    text = render(database, tmp_path).read_text("utf-8")
    assert ".safetensors: is gone" in text


def test_one_model_and_one_attack_are_enough(harness, tmp_path):
    toy = Toy(tmp_path / "harness.db", models=MODELS[:1], attacks=ATTACKS[9:10], images=6,
              clean_images=6)  # fmt: skip
    toy.fill(measure=False, transfer=False, pictures=False)
    toy.close()
    done = harness("report", "-o", "out")
    assert (done.code, done.out.strip(), done.err) == (0, "out/index.html", "")
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    for absent in ("No transfers are stored", "No surfaces are stored", "No adversarial images"):
        assert absent in text


def test_figures_are_written_as_svg_pdf_and_png(harness, tmp_path):
    toy = Toy(tmp_path / "harness.db", models=MODELS[:4], attacks=[*ATTACKS[3:6], ATTACKS[9]],
              images=12, clean_images=30)  # fmt: skip
    toy.fill(measure=False)
    toy.close()
    done = harness("report", "-o", "out", "--figures", "--images", "0")
    assert done.code == 0
    assert "files in out/figures" in done.err
    files = sorted((tmp_path / "out" / "figures").iterdir())
    count = len(files) // 3
    told = re.findall(r"drawing figure (\d+) of (\d+): ", done.err)
    assert told == [(str(number), str(count)) for number in range(1, count + 1)]
    kinds = {file.name.split("-")[0] for file in files}
    assert kinds == {"frontier", "success", "security", "transfer"}
    assert {file.suffix for file in files} == {".png", ".svg", ".pdf"}
    for file in files:
        if file.suffix == ".png":
            image = Image.open(file)
            assert image.width > 1000
            assert len(image.convert("RGB").getcolors(1 << 24)) > 8
        elif file.suffix == ".pdf":
            assert file.read_bytes().startswith(b"%PDF-")
        else:
            drawn = file.read_text("utf-8")
            assert drawn.startswith("<svg")
            # Of a whole mark: resvg gives each a canvas of its own, 60 times as long in all.
            assert not re.search(r' opacity="0\.', drawn), file


def test_figures_are_chosen_by_name_and_dark_on_request(harness, tmp_path):
    toy = Toy(tmp_path / "harness.db", models=MODELS[:4], attacks=[ATTACKS[9]], images=12,
              clean_images=30)  # fmt: skip
    toy.fill(measure=False, transfer=False, pictures=False)
    toy.close()
    colours = []
    for theme in ("light", "dark"):
        done = harness(
            "report", "-o", theme, "--figures", "frontier*-random-ln-error", "--theme", theme
        )
        assert done.code == 0
        (file,) = (tmp_path / theme / "figures").glob("*.svg")
        assert file.stem == "frontier-ifgsm-random-ln-error"
        colours.append(set(re.findall(r"#[0-9a-f]{6}", file.read_text("utf-8"))))
    light, dark = colours
    assert "#ffffff" in light
    assert "#ffffff" not in dark
    done = harness("report", "-o", "out", "--figures", "nope*")
    assert done.code == 2
    assert "frontier-ifgsm-random-accuracy" in done.err


def test_figures_in_some_formats(harness, tmp_path):
    assert set(FORMATS) == set(export.FORMATS)
    toy = Toy(tmp_path / "harness.db", models=MODELS[:4], attacks=[ATTACKS[9]], images=12,
              clean_images=30)  # fmt: skip
    toy.fill(measure=False, transfer=False, pictures=False)
    toy.close()
    asked = ("report", "--images", "0", "--figures", "frontier*-random-ln-error")
    assert harness(*asked, "-o", "one", "--figure-formats", "PDF").code == 0
    (file,) = (tmp_path / "one" / "figures").iterdir()
    assert file.suffix == ".pdf"
    assert file.read_bytes().startswith(b"%PDF-")
    assert harness(*asked, "-o", "two", "--figure-formats", "png,svg").code == 0
    assert {file.suffix for file in (tmp_path / "two" / "figures").iterdir()} == {".png", ".svg"}
    for wrong in ("", "eps", "svg,jpg"):
        done = harness(*asked, "-o", "no", "--figure-formats", wrong)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "svg, pdf, png" in done.err
    assert not (tmp_path / "no").exists()


def test_without_the_extra_it_says_how_to_get_it(harness, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    done = harness("report", "-o", "out", "--db", tmp_path / "none.db")
    assert done.code == 3
    assert "pip install 'frontier-harness[report]'" in done.err


def test_an_unknown_suite_is_refused(harness, whole):
    done = harness("report", "-o", "out", "--db", whole, "--suite", "nope")
    assert done.code == 2
    assert SUITE in done.err


def test_rows_survive_packing():
    rows = [{"a": "x", "b": 1.5}, {"a": "y", "b": None}, {"a": "x", "b": 2}]
    columns = packed(rows)
    texts = columns["a"]
    back = [texts["texts"][place] for place in texts["places"]]
    assert [{"a": a, "b": b} for a, b in zip(back, columns["b"], strict=True)] == rows


@pytest.mark.parametrize(
    ("models", "prefix"),
    [(["digits-a", "digits-b"], "digits-"), (["vgg16", "vgg19"], ""), (["digits-a"], ""),
     (["net_v1", "net_v1_big"], "net_"), (["a-b-c", "a-b-d"], "a-b-")],
)  # fmt: skip
def test_common_prefixes_end_at_a_mark(models, prefix):
    assert Names.of(models).prefix == prefix


def test_short_names_of_attacks_keep_what_tells_them_apart():
    shorts = Labels.of(
        ["fgsm epsilon=0.1", "fgsm epsilon=0.2", "cw learning_rate=0.05 warm_start=True",
         "ifgsm epsilon=search steps=10", "ifgsm epsilon=0.3 steps=10 clip=True", "ead",
         "ead iterations=5"]
    ).shorts  # fmt: skip
    assert list(shorts.values()) == [
        "fgsm epsilon=0.1", "fgsm epsilon=0.2", "cw",
        "ifgsm epsilon=search", "ifgsm epsilon=0.3 clip=True", "ead", "ead iterations=5",
    ]  # fmt: skip
    assert len(set(shorts.values())) == len(shorts)
    assert Labels(shorts).short("clever l2.score") == "clever l2.score"


def test_a_thinned_security_curve_stays_on_the_curve():
    from harness.analysis.security import security_curve

    random = np.random.default_rng(1)
    curve = security_curve("l2", random.random(500).tolist(), attacked=600)
    line = security.points(curve, 0.9)
    assert len(line) <= security.POINTS + 2
    for budget, success in line:
        # Four digits: the curve just below and above.
        assert curve.success(budget * 0.999) <= success + 1e-3
        assert curve.success(budget * 1.001) >= success - 1e-3


def test_sweeps_are_of_one_parameter_alone():
    known = {
        "a": ("ifgsm", {"epsilon": 0.1, "steps": 10, "warm": True}),
        "b": ("ifgsm", {"epsilon": 0.2, "steps": 10, "warm": True}),
        "c": ("ifgsm", {"epsilon": 0.1, "steps": 30, "warm": True}),
        "d": ("ifgsm", {"epsilon": "search", "steps": 10, "warm": True}),
        "e": ("cw", {"epsilon": 0.1, "steps": 10, "warm": True}),
        "f": ("ifgsm", {"epsilon": 0.3, "steps": 50, "warm": False}),
    }
    found = {(sweep.attack, sweep.parameter): dict(sweep.values) for sweep in sweeps.sweeps(known)}
    assert found == {("ifgsm", "epsilon"): {0.1: "a", 0.2: "b"},
                     ("ifgsm", "steps"): {10.0: "a", 30.0: "c"}}  # fmt: skip


def test_figure_files_have_names_of_their_own():
    class Fake:
        name = "transfer"
        variants = [type("V", (), {"choice": ("A/../b", "é")})] * 2

    names = [name for name, _ in export._named([Fake], Labels({}))]
    assert names == ["transfer-a-..-b", "transfer-a-..-b-2"]


def test_every_chart_is_vega_lite(tmp_path):
    """A report itself does not have altair check each part of its charts."""
    toy = Toy(tmp_path / "harness.db", models=MODELS[:4], images=12, clean_images=30)
    toy.fill()
    toy.close()
    with snapshot(tmp_path / "harness.db") as db:
        stored = results(tmp_path / "harness.db")
        found = content(db, stored, suite=None, images=0, reader=None)
    assert {"frontier", "success", "security", "transfer"} <= set(found.figures)
    schema, seen = altair.load_schema(), []
    for figure in found.figures.values():
        for variant in figure.variants:
            if variant.spec not in seen:
                schemapi.validate_jsonschema(variant.spec, schema)
                seen.append(variant.spec)
