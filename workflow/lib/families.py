"""What a profile says of `draw` counts for every rule `draw_BASE_REQUEST_NUMBER`.

Some rules are named after what a study contains, and a profile cannot know their names.
"""

from __future__ import annotations

from typing import Any


def hand_down(workflow: Any, *families: str) -> None:
    """Give each rule FAMILY_... the resources that the profile gives FAMILY.

    workflow: Snakemake's, with all rules defined. Resources of the profile override those of the
    rules, as they do for a rule of that very name.
    """
    resources = workflow.resource_settings.overwrite_resources or {}
    for rule in workflow.rules:
        for family in families:
            if rule.name.startswith(family + "_"):
                rule.resources.update(resources.get(family, {}))
