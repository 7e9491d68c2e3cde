"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from prunescope.reporting import everything, promises, provenance
from prunescope.reporting.charts.chart import Chart, fluid, still
from prunescope.reporting.charts.theme import PAGE
from prunescope.reporting.material import Material
from prunescope.reporting.reading import Reading
from prunescope.reporting.section import Figure, Section, Told
from prunescope.reporting.sections import SECTIONS
from prunescope.reporting.wording import counted


def render(material: Material) -> str:
    """Return the HTML page of a study: self-contained, no network, complete without scripts.

    Everything that came from outside (names, study file, tracebacks) enters as text; only this package's own two
    scripts may run, because the page's content security policy names their hashes.
    """
    from markupsafe import Markup

    with ThreadPoolExecutor(max_workers=1) as beside:
        bundled = beside.submit(vega_bundle)  # takes a second without the interpreter's lock
        reading = Reading(material)
        told = tell_sections(reading)
        drawn = {chart.name: chart.specification(PAGE) for chart in charts_of(told)}
        strips, table = promises.strips(reading), everything.gather(reading)
        bundle, script = script_text(bundled.result()), script_text(_asset("page.js"))
    return str(
        _template().render(
            title=material.title,
            question=material.question,
            strips=strips,
            unmeasured=any(cell.status == "unmeasured" for s in strips for row in s.rows for cell in row.cells),
            default_budget=material.default_budget,
            done=provenance.done(reading),
            failures=_failures(material),
            sections=[_heading(section, content) for section, content in told if content is not None],
            left_out=[section for section, content in told if content is None],
            recipes=material.recipes,
            everything=table,
            provenance=provenance.gather(reading),
            styles=reading.styles,
            drawings={key: Markup(still(spec)) for key, spec in drawn.items()},  # noqa: S704 - Vega escapes what it draws
            specifications={key: Markup(embedded(fluid(spec))) for key, spec in drawn.items()},  # noqa: S704 - escaped
            rows=Markup(embedded(table.data)),  # noqa: S704 - escaped for a script element
            css=Markup(_asset("page.css")),  # noqa: S704 - this package's own file
            bundle=Markup(bundle),  # noqa: S704 - Vega's own code
            script=Markup(script),  # noqa: S704 - this package's own file
            policy=policy(bundle, script),
            version=_version(),
        )
    )


def tell_sections(reading: Reading) -> list[tuple[Section, Told | None]]:
    """Return every section with what it tells, None where it has no numbers."""
    return [(section, section.tell(reading)) for section in SECTIONS]


def charts_of(told: list[tuple[Section, Told | None]]) -> list[Chart]:
    """Return the charts of all sections in page order."""
    return [part.chart for _, content in told if content for part in content.parts if isinstance(part, Figure)]


def embedded(data: Any) -> str:
    r"""Return JSON that can stand in a script element: no ``<``, ``>`` or ``&``, so nothing can close it.

    Example:
        >>> embedded({"name": "</script><!--"})
        '{"name":"\\u003c/script\\u003e\\u003c!--"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def script_text(code: str) -> str:
    """Return JavaScript in which no string can end, or comment out, its script element."""
    return re.sub(r"<(?=/script|script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def policy(*scripts: str) -> str:
    """Return the content security policy: these scripts, inline styles, data images, and no network at all."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def vega_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _heading(section: Section, told: Told) -> dict[str, Any]:
    return {"key": section.key, "title": section.title, "sentence": told.sentence, "parts": told.parts}


def _failures(material: Material) -> str:
    if not material.failures:
        return ""
    blocked = f" and blocked {counted(len(material.blocked), 'other')}" if material.blocked else ""
    return f"{counted(len(material.failures), 'node')} failed{blocked}; this page tells what is left."


def _asset(name: str) -> str:
    return (files("prunescope.reporting") / "templates" / name).read_text(encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("prunescope.reporting", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja")


def _version() -> str:
    try:
        return version("prunescope")
    except PackageNotFoundError:
        return ""
