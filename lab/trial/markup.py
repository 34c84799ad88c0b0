"""Elements of HTML and SVG. Whatever is put into one is escaped when it is written. Pure."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def element(tag: str, *content: ET.Element | str | None, **attributes: str | float) -> ET.Element:
    """An element with content in order; None is left out.

    `class_` stands for "class", `stroke_width` for "stroke-width"; numbers are written with two digits behind the
    point at most.
    """
    made = ET.Element(tag, {_name(name): _text(value) for name, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            if len(made):
                made[-1].tail = (made[-1].tail or "") + part
            else:
                made.text = (made.text or "") + part
        elif part is not None:
            made.append(part)
    return made


def written(page: ET.Element) -> str:
    """An HTML document."""
    ET.indent(page, " ")
    return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
