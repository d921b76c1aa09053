"""The page: content, template, style and scripts become one file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harness.report.html.charts import needs
from harness.report.html.figure import page_data
from harness.report.html.theme import themes
from harness.version import __version__

if TYPE_CHECKING:
    from harness.report.html.content import Content

VEGA_LITE = "6.4"
"""Of the versions that vl-convert has, the one that the bundled altair writes for."""


def html(content: Content) -> str:
    """The page of a suite.

    Every text is escaped by the template; data come as JSON without a character that could end
    their element. The page may run only these two scripts, and may load nothing.

    Raises:
        MissingError: the extra ``report`` is not installed.
    """
    jinja2 = needs("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda value: jinja2.utils.markupsafe.Markup(script_json(value))
    environment.filters["short"] = content.labels.short
    library, own = bundle(), _part("page.js")
    verdicts = Counter(finding.verdict for finding in content.findings)
    page: str = environment.get_template("page.html.j2").render(
        content=content,
        tally=", ".join(f"{verdict}: {count}" for verdict, count in verdicts.items()),
        data={
            "figures": page_data(content.figures.values()),
            "labels": content.labels.shorts,
            "themes": themes(),
        },
        style=_part("page.css"),
        library=library,
        script=own,
        hashes=[_hash(text) for text in (library, own)],
        version=__version__,
    )
    return page


def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed, whole."""
    text: str = needs("vl_convert").javascript_bundle(vl_version=VEGA_LITE)
    # A script must not hold what ends one.
    return text.replace("</script", "<\\/script")


def script_json(value: Any) -> str:
    """JSON for a script element: ``<``, ``>`` and ``&`` are written as escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate({ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"})


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _part(name: str) -> str:
    """A file of the package's ``templates``."""
    return files("harness.report.html").joinpath("templates", name).read_text("utf-8")
