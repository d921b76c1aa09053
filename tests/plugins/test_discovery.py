"""Discovery of plugins: real distributions and modules on disk, healthy and broken."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PathDistribution, distributions
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import hookspecs
from harness.api import API_VERSION, Register
from harness.errors import ConfigError, PluginError
from harness.kinds import OLDEST_API
from harness.plugins import Catalog, Kind, PluginReport, discover, installed, plugins_of

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
    "newer API": (
        "HARNESS_API = 7",
        "API check",
        f"HARNESS_API is 7, this harness has {API_VERSION}: update the harness",
    ),
    "no API": ("", "API check", "HARNESS_API is None, this harness has 1 and loads plugins from 0"),
    "an older API": ("HARNESS_API = -1", "API check", "update the plugin"),
    "API in words": ("HARNESS_API = '1'", "API check", "HARNESS_API is '1'"),
    "API as truth": ("HARNESS_API = True", "API check", "HARNESS_API is True"),
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
    "no text": (
        HEALTHY.replace("{name}", "a").replace('"3"', "3"),
        "hooks",
        "the version of attack 'a' is 3, not a text",
    ),
    "no name": (HEALTHY.replace("{name}", "a\\nb"), "hooks", "is not one"),
    "no target": (
        HEALTHY.replace("{name}", "a").replace(":Thing", ""),
        "hooks",
        "not 'module:Object'",
    ),
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
    return discover(plugins_of(distributions(path=[str(site)])))


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


def test_every_kind_has_its_hook_and_every_hook_its_kind() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("register_")}
    assert hooks == {kind.hook for kind in Kind}


@pytest.mark.parametrize("kind", Kind)
def test_a_hook_offers_its_kind(kind: Kind, site: Path, install: Install) -> None:
    install("aa-one", healthy("some").replace("register_attacks", kind.hook))

    catalog = found_in(site)

    assert not catalog.broken
    assert [item.name for item in catalog.all(kind)] == ["some"]
    assert not any(catalog.all(other) for other in Kind if other is not kind)


@pytest.mark.parametrize("version", range(OLDEST_API, API_VERSION + 1))
def test_plugins_of_earlier_versions_of_the_api_load(
    version: int, site: Path, install: Install
) -> None:
    code = healthy("some").replace("HARNESS_API = 0", f"HARNESS_API = {version}")
    install("aa-one", code)

    assert found_in(site).get(Kind.ATTACK, "some").distribution == "aa-one"


DEPRECATED = SimpleNamespace(**vars(hookspecs))
"""How a hook and an argument are announced to go: they work, and who uses them is told."""


@hookspecs.hookspec(warn_on_impl=DeprecationWarning("register_attacks goes with API 2"))
def register_attacks(register: Register) -> None: ...


@hookspecs.hookspec(
    warn_on_impl_args={"register": DeprecationWarning("register_metrics gives `offer` instead")}
)
def register_metrics(register: Register) -> None: ...


DEPRECATED.register_attacks, DEPRECATED.register_metrics = register_attacks, register_metrics


@pytest.mark.parametrize(
    ("hook", "notice"),
    [
        ("register_attacks", "register_attacks goes with API 2"),
        ("register_metrics", "register_metrics gives `offer` instead"),
    ],
)
def test_what_will_go_works_and_is_said(
    hook: str, notice: str, site: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.plugins.hookspecs", DEPRECATED)
    install("aa-old", healthy("old").replace("register_attacks", hook))
    install("bb-new", healthy("new").replace("register_attacks", "register_datasets"))

    with pytest.warns(DeprecationWarning, match=notice):
        catalog = found_in(site)

    assert not catalog.broken
    old, new = (report_of(catalog, name) for name in ("aa-old", "bb-new"))
    assert [each.name for each in old.registered] == ["old"]
    assert old.status == f"ok; deprecated: {notice}"
    assert new.status == "ok"


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


def test_metadata_are_read_once_and_of_plugins_alone(site: Path, install: Install) -> None:
    """They are whole readmes, and an environment has hundreds."""
    for number in range(3):
        install(f"aa-plugin{number}", healthy(f"attack{number}"))
    other = site / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    read: list[str] = []

    class Counted(PathDistribution):
        def read_text(self, filename: str) -> str | None:
            if filename == "METADATA":
                read.append(self._path.name)
            return super().read_text(filename)

    catalog = discover(plugins_of(Counted(path) for path in site.glob("*.dist-info")))

    assert len(catalog.all(Kind.ATTACK)) == 3
    assert sorted(read) == [f"aa_plugin{number}-2.1.dist-info" for number in range(3)]


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
