"""Check a study's entries against the signatures of the plug-ins that they name.

Signatures are read with `ast`; nothing is imported. Standard library only.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paths
from meaning import source


class StudyError(ValueError):
    """A mistake in a study file: says where, what came, what was allowed, and the fix."""


@dataclass(frozen=True)
class Setting:
    """One keyword-only parameter: its annotation (None: anything), required or with a default."""

    annotation: ast.expr | None
    required: bool
    default: Any = None


@dataclass(frozen=True)
class Signature:
    """Positional names, keyword-only settings, and the module's plain constants."""

    positional: tuple[str, ...]
    settings: dict[str, Setting]
    constants: dict[str, Any]


def nearest(name: str, allowed: list[str]) -> str:
    """Return ' Did you mean ...?' or an empty text."""
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_of(where: str, name: Any, names: Iterable[str]) -> str:
    """Return a name that the study must have; StudyError with those that it has."""
    known = list(names)
    if name not in known:
        raise StudyError(
            f"{where}: {name!r} is not in this study; allowed: {', '.join(known) or 'none'}."
            f"{nearest(str(name), known)}"
        )
    return str(name)


def read(path: Path, function: str, root: Path) -> Signature:
    """Read a plug-in's public function. StudyError when the file has no such function."""
    tree = source(path, root).tree
    constants = {}
    found = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            found = node.args
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    constants[target.id] = node.value.value
    if found is None:
        raise StudyError(
            f"{path.relative_to(root)}: has no function `{function}`; a plug-in of this stage "
            f"is one module with one public function `{function}`. Add it."
        )
    settings = {
        arg.arg: Setting(arg.annotation, default is None, _value(default))
        for arg, default in zip(found.kwonlyargs, found.kw_defaults, strict=True)
    }
    names = tuple(arg.arg for arg in [*found.posonlyargs, *found.args])
    return Signature(names, settings, constants)


def _value(default: ast.expr | None) -> Any:
    """The value of a default; None where there is none, or it is no plain constant."""
    try:
        return ast.literal_eval(default) if default is not None else None
    except ValueError:
        return None


def resolved(signature: Signature, given: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a plug-in, those that a study leaves out by their defaults."""
    return {name: given.get(name, found.default) for name, found in signature.settings.items()}


def _fits(value: Any, annotation: ast.expr | None) -> bool:
    """Whether a YAML value fits an annotation; what is not understood is let through."""
    match annotation:
        case None:
            return True
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str() as text):
            return _fits(value, ast.parse(text, mode="eval").body)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Name(id="bool"):
            return isinstance(value, bool)
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id="str"):
            return isinstance(value, str)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            options = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return any(
                isinstance(o, ast.Constant) and type(o.value) is type(value) and o.value == value
                for o in options
            )
        case ast.Subscript(value=ast.Name(id="tuple" | "list" | "Sequence"), slice=inner):
            if not isinstance(value, list | tuple):
                return False
            kinds = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if len(kinds) == 1 or isinstance(kinds[-1], ast.Constant):
                return all(_fits(item, kinds[0]) for item in value)
            return len(value) == len(kinds) and all(map(_fits, value, kinds))
        case ast.Subscript(value=ast.Name(id="dict" | "Mapping"), slice=ast.Tuple(elts=[_, inner])):
            return isinstance(value, dict) and all(_fits(item, inner) for item in value.values())
    return True


def check(where: str, given: dict[str, Any], signature: Signature, plugin: str) -> None:
    """Raise StudyError unless `given` are settings of the plug-in.

    where: the place in the study, for example `classifier.methods.scrub`.
    """
    allowed = list(signature.settings)
    for name, value in given.items():
        if name not in signature.settings:
            listed = ", ".join(allowed) or "none"
            raise StudyError(
                f"{where}: unknown setting {name!r} (= {value!r}) of {plugin}; "
                f"allowed: {listed}.{nearest(str(name), allowed)}"
            )
        annotation = signature.settings[name].annotation
        if not _fits(value, annotation):
            hint = ""
            if isinstance(value, str):
                hint = " YAML reads 1e-3 as text: write 1.0e-3." if _is_number(value) else ""
            raise StudyError(
                f"{where}.{name}: got {value!r} ({type(value).__name__}), but {plugin} takes "
                f"{ast.unparse(annotation) if annotation else 'anything'}.{hint}"
            )
    for name, setting in signature.settings.items():
        if setting.required and name not in given:
            raise StudyError(f"{where}: {plugin} needs the setting {name!r}; add `{name}: ...`.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def named(where: str, name: Any) -> str:
    """Return a name that may become part of a path; StudyError otherwise."""
    if not isinstance(name, str) or not re.fullmatch(paths.NAME, name):
        raise StudyError(
            f"{where}: the name {name!r} becomes part of a path; allowed are lower-case letters, "
            f"digits and '_', a letter first. Rename it."
        )
    return name
