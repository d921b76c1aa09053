"""Discovery of plugins: real distributions and modules on disk, healthy and broken."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from harness.errors import ConfigError, PluginError
from harness.plugins import Catalog, Kind, PluginReport, discover, installed

HEALTHY = """
from harness.api import hookimpl

HARNESS_API = 0

@hookimpl
def register_attacks(register):
    register("{name}", "{module}_impl:Thing", version="3", summary="does {name}")
"""
MIDWAY = """
from harness.api import hookimpl

HARNESS_API = 0

@hookimpl
def register_attacks(register):
    register("early", "x:Y", version="1", summary="")
    register("late", "x:Y", version="1", summary="")

@hookimpl
def register_metrics(register):
    register("count", "x:Y", version="1", summary="")
    raise RuntimeError("no licence file")
"""
BROKEN = {
    "import error": ("import nowhere_to_be_found", "import", "ModuleNotFoundError"),
    "syntax": ("def (", "import", "SyntaxError"),
    "exit": ("import sys\nsys.exit(3)", "import", "SystemExit: 3"),
    "wrong API": ("HARNESS_API = 7", "API check", "HARNESS_API is 7, this harness needs 0"),
    "no API": ("", "API check", "HARNESS_API is None, this harness needs 0"),
    "unknown hook": (
        "from harness.api import hookimpl\nHARNESS_API = 0\n"
        "@hookimpl\ndef register_atacks(register): ...\n",
        "registration",
        "register_atacks",
    ),
    "wrong argument": (
        "from harness.api import hookimpl\nHARNESS_API = 0\n"
        "@hookimpl\ndef register_attacks(registrar): ...\n",
        "registration",
        "registrar",
    ),
    "midway": (MIDWAY, "hooks", "RuntimeError: no licence file"),
    "bad call": (
        "from harness.api import hookimpl\nHARNESS_API = 0\n"
        "@hookimpl\ndef register_attacks(register): register('a')\n",
        "hooks",
        "TypeError",
    ),
}

Install = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of installed distributions, on the import path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def install(site: Path) -> Iterator[Install]:
    """Install a distribution of one module and one entry point; returns the module's name."""
    modules: list[str] = []

    def install(distribution: str, code: str, point: str | None = None) -> str:
        module = f"plugin_on_disk_{distribution.replace('-', '_')}"
        modules.append(module)
        (site / f"{module}.py").write_text(code)
        info = site / f"{distribution.replace('-', '_')}-2.1.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.1\n"
        )
        info.joinpath("entry_points.txt").write_text(
            f"[harness]\n{point or distribution} = {module}\n"
        )
        importlib.invalidate_caches()
        return module

    yield install
    for module in modules:
        sys.modules.pop(module, None)


def healthy(name: str, module: str = "nowhere") -> str:
    return HEALTHY.format(name=name, module=module)


def found_in(site: Path) -> Catalog:
    dists = sorted(distributions(path=[str(site)]), key=lambda dist: dist.metadata["Name"])
    return discover(
        (point, dist) for dist in dists for point in dist.entry_points.select(group="harness")
    )


def report_of(catalog: Catalog, distribution: str) -> PluginReport:
    return next(report for report in catalog.reports if report.distribution == distribution)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_takes_down_only_itself(case: str, site: Path, install: Install) -> None:
    code, stage, cause = BROKEN[case]
    install("aa-first", healthy("first"))
    install("bb-broken", code)
    install("cc-last", healthy("last"))

    catalog = found_in(site)

    broken = report_of(catalog, "bb-broken")
    assert catalog.broken == (broken,)
    assert (broken.name, broken.version, broken.stage) == ("bb-broken", "2.1", stage)
    assert cause in str(broken.cause)
    assert "\n" not in broken.status
    assert broken.status.startswith(f"broken at {stage}: ")
    assert [item.name for item in catalog.all(Kind.ATTACK)] == ["first", "last"]
    assert all(not catalog.all(kind) for kind in Kind if kind is not Kind.ATTACK)


def test_a_hook_that_raises_midway_leaves_its_names_free(site: Path, install: Install) -> None:
    install("aa-broken", MIDWAY)
    install("bb-other", healthy("early"))

    catalog = found_in(site)

    assert report_of(catalog, "bb-other").ok
    assert catalog.get(Kind.ATTACK, "early").distribution == "bb-other"
    assert report_of(catalog, "aa-broken").registered == []


def test_a_clash_breaks_the_later_plugin_and_names_both(site: Path, install: Install) -> None:
    own = '    register("own", "x:Y", version="1", summary="")\n'
    taken = '    register("twin", "x:Y", version="1", summary="")\n'
    install("aa-one", healthy("twin"), point="one")
    install("bb-two", healthy("first") + own + taken, point="two")
    install("cc-three", healthy("other"))

    catalog = found_in(site)

    later = report_of(catalog, "bb-two")
    assert catalog.broken == (later,)
    assert later.stage == "hooks"
    assert "attack 'twin' is offered by one (aa-one) and by two (bb-two)" in str(later.cause)
    assert [item.name for item in catalog.all(Kind.ATTACK)] == ["twin", "other"]


def test_the_same_name_in_two_kinds_is_no_clash(site: Path, install: Install) -> None:
    install("aa-attack", healthy("digits"))
    install("bb-metric", healthy("digits").replace("register_attacks", "register_metrics"))

    catalog = found_in(site)

    assert not catalog.broken
    assert catalog.get(Kind.METRIC, "digits").distribution == "bb-metric"


def test_a_name_twice_in_one_plugin(site: Path, install: Install) -> None:
    twice = healthy("a") + '    register("a", "x:Y", version="1", summary="")\n'
    install("aa-twice", twice)

    assert "attack 'a' is offered by" in str(found_in(site).broken[0].cause)


def test_order_does_not_depend_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install, site: Path
) -> None:
    """The bundled plugins come first, then by distribution, however the path is ordered."""
    install("zz-late", healthy("late"))
    install("aa-early", healthy("early"))
    second = tmp_path / "second"
    second.mkdir()
    for path in [*site.glob("zz_late*"), *site.glob("*zz_late.py")]:
        path.rename(second / path.name)

    orders = []
    before = [path for path in sys.path if path != str(site)]
    for paths in itertools.permutations([str(site), str(second)]):
        monkeypatch.setattr(sys, "path", [*paths, *before])
        importlib.invalidate_caches()
        catalog = installed.__wrapped__()
        orders.append([report.distribution for report in catalog.reports])

    assert orders[0] == orders[1]
    mine = [name for name in orders[0] if name != "frontier-harness"]
    assert mine == ["aa-early", "zz-late"]
    assert orders[0] == sorted(orders[0], key=lambda name: (name != "frontier-harness", name))


def test_a_distribution_seen_twice_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install, site: Path
) -> None:
    install("aa-twice", healthy("once"))
    monkeypatch.setattr(sys, "path", [str(site), f"{site}/../{site.name}", *sys.path])

    catalog = installed.__wrapped__()

    assert [r.distribution for r in catalog.reports].count("aa-twice") == 1
    assert report_of(catalog, "aa-twice").ok


def test_the_target_is_imported_on_use_only(site: Path, install: Install) -> None:
    module = install("aa-lazy", healthy("lazy", "plugin_on_disk_aa_lazy"))
    (site / f"{module}_impl.py").write_text("class Thing: ...\n")

    registration = found_in(site).get(Kind.ATTACK, "lazy")
    assert f"{module}_impl" not in sys.modules
    try:
        assert registration.load() is sys.modules[f"{module}_impl"].Thing
    finally:
        sys.modules.pop(f"{module}_impl", None)
    assert (registration.version, registration.summary) == ("3", "does lazy")


def test_a_target_that_cannot_be_imported(site: Path, install: Install) -> None:
    install("aa-hollow", healthy("hollow"))

    with pytest.raises(PluginError) as caught:
        found_in(site).get(Kind.ATTACK, "hollow").load()

    line = str(caught.value)
    assert line.startswith("plugin aa-hollow (aa-hollow): attack 'hollow' cannot be imported")
    assert "No module named 'nowhere_impl'" in line


def test_an_unknown_name_suggests_the_nearest(site: Path, install: Install) -> None:
    install("aa-one", healthy("deepfool"))
    catalog = found_in(site)

    with pytest.raises(ConfigError, match="unknown attack 'depfool'; did you mean 'deepfool'"):
        catalog.get(Kind.ATTACK, "depfool")
    assert catalog.find(Kind.ATTACK, "depfool") is None
