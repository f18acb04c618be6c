"""YAML as plain values, and no more of them than a file of its length can mean.

`<<: [*a, *a]` copies the pairs of `a` twice; ten such lines in a row make billions. Standard
library only; the module `yaml` is handed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from outside import VALUES

MERGE = "tag:yaml.org,2002:merge"


def reader(yaml: Any) -> Callable[[str], Any]:
    """Return a function: text of a YAML document -> plain values.

    It raises ValueError where merge keys would explode, and yaml.YAMLError at other mistakes;
    a tag that would make anything but plain values is one.
    """

    def load(text: str) -> Any:
        known: dict[int, int] = {}
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _count(root, known)
        if (pairs := max(known.values(), default=0)) > VALUES:
            raise ValueError(f"its merge keys (<<) make a mapping of {pairs} pairs; write it out")
        return yaml.safe_load(text)

    return load


def _count(node: Any, known: dict[int, int]) -> int:
    """Return how many pairs a mapping has, or the mappings of a list, merge keys written out."""
    if id(node) not in known:
        known[id(node)] = 0
        if node.id == "sequence":
            known[id(node)] = sum([_count(item, known) for item in node.value])
        elif node.id == "mapping":
            pairs = [(key.tag, _count(value, known)) for key, value in node.value]
            known[id(node)] = sum(n if tag == MERGE else 1 for tag, n in pairs)
    return known[id(node)]
