"""``make strip``: takes outputs, execution counts and editors' settings out of the notebooks beside it."""

from __future__ import annotations

from pathlib import Path

import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def strip(path: Path) -> None:
    """Leave a notebook's text and code."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    path.write_text(nbformat.writes(notebook) + "\n", "utf-8")


if __name__ == "__main__":
    for found in sorted(Path(__file__).parent.glob("*.ipynb")):
        strip(found)
