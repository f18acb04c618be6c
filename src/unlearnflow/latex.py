"""Tables for papers: booktabs LaTeX from the tidy frames of `unlearnflow.tables`."""

from __future__ import annotations

import math

import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def escape(text: object) -> str:
    """Return text with LaTeX's special characters escaped."""
    return "".join(SPECIAL.get(c, c) for c in str(text))


def cell(mean: float, half: float, digits: int) -> str:
    r"""Return '$mean \pm half$' with the digits given; '--' where undefined."""
    if math.isnan(mean):
        return "--"
    spread = "" if math.isnan(half) else rf" \pm {half:.{digits}f}"
    return f"${mean:.{digits}f}{spread}$"


def render(frame: pd.DataFrame, *, caption: str, label: str) -> str:
    r"""Return one booktabs table for each base and partition of a tidy frame.

    frame: columns base, partition, method, quantity, mean, half, n, digits. Needs
    \usepackage{booktabs}.
    """
    parts = []
    for (base, partition), group in frame.groupby(["base", "partition"], sort=False):
        quantities = list(dict.fromkeys(group.quantity))
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(caption)}: {escape(base)}, {escape(partition)}. "
            r"Mean $\pm$ 95\% interval over training seeds.}",
            rf"\label{{{escape(label)}-{escape(partition)}}}".replace(r"\_", "-"),
            rf"\begin{{tabular}}{{l{'r' * len(quantities)}}}",
            r"\toprule",
            " & ".join(["method", *map(escape, quantities)]) + r" \\",
            r"\midrule",
        ]
        for method, rows in group.groupby("method", sort=False):
            found = {
                r["quantity"]: cell(float(r["mean"]), float(r["half"]), int(r["digits"]))
                for r in rows.to_dict("records")
            }
            lines.append(
                " & ".join([escape(method), *(found.get(q, "--") for q in quantities)]) + r" \\"
            )
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)
