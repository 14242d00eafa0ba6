"""Write reference pages from the code: parameters, expectations of the gate, and the list of decision records.

python docs/scripts/reference.py
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from eccl.config import Params
from eccl.workspace import shipped

DOCS = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write every page of :data:`PAGES`."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())


def parameters_page() -> str:
    """Return every key of params.yaml with its type, shipped value and meaning, as Markdown."""
    shipped_values = yaml.safe_load(shipped("params.yaml").read_text())
    parts = [
        "# Parameters",
        "All keys of `params.yaml` outside the training presets, with the values that `eccl init` writes. Unknown keys are an "
        "error. DVC reruns the stages that depend on a changed section. Training presets: [train](../how-to/train.md).",
    ]
    top = [(name, field) for name, field in Params.model_fields.items() if _model_of(field) is None]
    parts.append(_parameter_table(top, shipped_values))
    for name, field in Params.model_fields.items():
        model = _model_of(field)
        if model is not None:
            parts.append(f"## {name}\n\n{_first_line(model)}")
            parts.append(_parameter_table(list(model.model_fields.items()), shipped_values.get(name, {})))
    return "\n\n".join(parts) + "\n"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _parameter_table(fields: list[tuple[str, FieldInfo]], values: dict[str, Any]) -> str:
    lines = ["| key | type | shipped value | meaning |", "|---|---|---|---|"]
    for name, field in fields:
        value = (
            "(see the file)" if isinstance(values.get(name), dict) and len(str(values[name])) > 80 else values.get(name)
        )
        shown = value if isinstance(value, str) else f"`{json.dumps(value)}`"
        lines.append(f"| `{name}` | {_type_of(field.annotation)} | {shown} | {_cell(field.description or '')} |")
    return "\n".join(lines)


def _type_of(kind: Any) -> str:
    """Name a type in the words of YAML."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type_of(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join("null" if part is type(None) else _type_of(part) for part in arguments)
    if origin is tuple:
        return f"list of {_type_of(arguments[0])}"
    if origin is dict:
        return f"mapping of {_type_of(arguments[1])}"
    names = {float: "number", int: "integer", str: "text", bool: "true or false", Any: "values"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def expectations_page() -> str:
    """Return every expectation of the gate by suite, as Markdown."""
    suites = [json.loads(file.read_text()) for file in sorted((shipped("schemas") / "expectations").glob("*.json"))]
    count = Counter(item["severity"] for suite in suites for item in suite["expectations"])
    parts = [
        "# Expectations of the gate",
        f"{len(suites)} suites in `schemas/expectations`, in the format of Great Expectations: {count['critical']} critical "
        f"expectations and {count['warning']} warnings; expectations over parameters expand to more results. The gate fails if "
        "one critical expectation fails. How the gate runs: [validation](../explanation/validation.md).",
    ]
    for suite in suites:
        lines = [f"## {suite['name']}", suite.get("notes", ""), "\n".join(_expectation_rows(suite["expectations"]))]
        parts.append("\n\n".join(line for line in lines if line))
    return "\n\n".join(parts) + "\n"


def _expectation_rows(expectations: list[dict[str, Any]]) -> Iterator[str]:
    yield "| expectation | column or value | severity | reason |"
    yield "|---|---|---|---|"
    for item in expectations:
        values = item["kwargs"]
        target = values.get("column") or ", ".join(values.get("column_list", []) or values.get("column_set", []) or [])
        limits = ", ".join(f"{key} {values[key]}" for key in ("min_value", "max_value", "mostly") if key in values)
        shown = "; ".join(filter(None, [f"`{target}`" if target else "", limits]))
        name = item["type"].removeprefix("expect_").replace("_", " ")
        yield f"| {name} | {_cell(shown)} | {item['severity']} | {_cell(item.get('notes') or '')} |"


def decisions_page() -> str:
    """Return the list of decision records, as Markdown."""
    files = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = [(file.name, file.read_text().partition("\n")[0].removeprefix("# ")) for file in files]
    rows = "\n".join(f"- [{title}]({name})" for name, title in titles)
    return (
        "# Decision records\n\nDecisions that would be expensive to undo, with the alternatives and what was measured.\n\n"
        f"{rows}\n"
    )


PAGES: dict[str, Callable[[], str]] = {
    "reference/parameters.md": parameters_page,
    "reference/expectations.md": expectations_page,
    "decisions/index.md": decisions_page,
}

if __name__ == "__main__":
    main()
