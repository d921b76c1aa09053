"""The checked-in tables against the installed libraries, and what is registered from them."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
from pydantic import ValidationError

from harness.api import ConfigError
from harness.plugins import Kind, installed
from harness_foreign import entry, tables
from harness_foreign.library import Library

LIBRARIES = [library for library in tables.libraries() if library.version() is not None]
by_prefix = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.prefix)


def registered(library: Library) -> dict:
    offers = installed().all(Kind.ATTACK)
    return {each.name: each for each in offers if each.name.startswith(f"{library.prefix}:")}


@by_prefix
def test_the_table_is_the_installed_library_s(library):
    """python -m harness_foreign.tables writes it anew."""
    table = library.table()
    if table.version != library.version():
        pytest.skip(f"the table is of {table.version}, {library.version()} is installed")
    assert tables.made(library) == table


def test_a_table_is_read_as_it_was_written(tmp_path):
    for library in tables.libraries():
        entry.write(tmp_path / "table.json", library.table())
        assert entry.read(tmp_path / "table.json") == library.table()
        assert (tmp_path / "table.json").read_text("utf-8") == library.path.read_text("utf-8")


def test_there_are_250_different_attacks():
    """An alias, such as foolbox's PGD, is a name for another one."""
    different = {
        (library.prefix, each.call, tuple(sorted(each.fixed.items())))
        for library in tables.libraries()
        for each in library.table().entries
    }
    assert len(different) >= 250


@by_prefix
def test_every_attack_is_registered_with_its_library_s_version(library):
    offers = registered(library)
    assert set(offers) == {f"{library.prefix}:{each.name}" for each in library.table().entries}
    assert {each.version for each in offers.values()} == {
        f"1+{library.distribution}-{library.version()}"
    }


@by_prefix
def test_every_attack_has_parameters_that_travel(library):
    for name, offer in registered(library).items():
        attack = offer.load()
        attack.model_json_schema()
        assert set(attack.originals) <= set(attack.model_fields), name
        assert attack.entry.budget in {None, *attack.model_fields}, name
        required = [key for key, field in attack.model_fields.items() if field.is_required()]
        values = {key: "a file" if key == "checkpoint_path" else 1 for key in required}
        made = attack(**values)
        assert made.budget is None or math.isfinite(made.budget)
        assert attack(**made.model_dump(mode="json")) == made, name
        assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


def test_a_wrong_parameter_is_an_error_of_pydantic_s():
    attack = installed().get(Kind.ATTACK, "torchattacks:PGD").load()
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        attack(eps=-1)
    with pytest.raises(ValidationError, match="steps"):
        attack(steps="many")


def test_a_library_that_is_not_installed_offers_nothing_and_says_what_to_install():
    absent = Library("acme", "acme-attacks", "acme_attacks_not_here", "harness_foolbox")
    absent.offer(lambda *given, **named: pytest.fail("offered"))
    assert absent.absent() == {
        "acme:": "install frontier-harness[acme] and acme-attacks: docs/adapters.md"
    }


def test_a_name_of_an_absent_library_says_what_to_install(monkeypatch):
    catalog = installed()
    report = next(report for report in catalog.reports if report.name == "foolbox")
    monkeypatch.setattr(report, "absent", {"acme:": "install acme-attacks"})
    with pytest.raises(ConfigError, match=r"unknown attack 'acme:PGD'.*install acme-attacks"):
        catalog.get(Kind.ATTACK, "acme:PGD")
