"""What the plug-ins of diffusion studies are handed, by the names that they ask for.

Whatever several artifacts of one job share is read once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from job import Item, Job
from unlearnflow import io
from unlearnflow.rng import stream

STREAMS = {"evidence": "draw", "metric": "gauge"}
"""Which random stream an artifact takes, by what it is."""


class Hand:
    """Reads what is asked for, each thing once per job."""

    def __init__(self, job: Job, raw: str | None = None) -> None:
        self.job, self.raw = job, raw
        self._held: dict[tuple[str, ...], Any] = {}

    def over(self, name: str, item: Item) -> Any:
        """Return what the positional name stands for."""
        match name:
            case "sampling":
                return self.job.recipe["sampling"]
            case "real":
                return io.read_arrays(self.job.checked(item.inputs["real"]))
            case "model" | "data" | "unseen" | "conditions" | "judge" | "clip" | "prompts":
                return getattr(self, "_" + name)(item)
            case _:
                return io.read_arrays(self.job.checked(item.inputs[name]))

    def _once(self, *key: str, make: Any) -> Any:
        if key not in self._held:
            self._held[key] = make()
        return self._held[key]

    def _images(self, item: Item) -> Any:
        import load

        path = item.inputs["images"]
        return self._once("images", path, make=lambda: load.images(self.job.checked(path)))

    def _prompts(self, item: Item) -> tuple[str, ...]:
        import load_words

        return load_words.prompts(
            io.read_json(item.inputs["base_recipe"]), self._images(item).classes
        )

    def _base(self, item: Item) -> Any:
        import load_diffusion

        roles = [k for k in ("autoencoder", "base") if k in item.inputs]

        def make() -> Any:
            recipe = io.read_json(item.inputs["base_recipe"])
            built = load_diffusion.architecture(recipe, self._images(item), self.raw)
            held = [self.job.checked(item.inputs[k]) for k in roles]
            return load_diffusion.fill(built, *held).to(self.job.device)

        return self._once("base", *(item.inputs[k] for k in roles), make=make)

    def _model(self, item: Item) -> Any:
        import load_diffusion

        path = self.job.checked(item.inputs["model"])
        return load_diffusion.fill(self._base(item).copy(), path).eval()

    def _data(self, item: Item) -> Any:
        import load
        import load_diffusion

        path = item.inputs["partition"]

        def make() -> Any:
            request = load.partition(self.job.checked(path))
            recipe = io.read_json(item.inputs["base_recipe"])
            base = self._base(item)
            return load_diffusion.generation_data(base, self._images(item), request, recipe, {})

        return self._once("data", path, item.inputs["base"], make=make)

    def _unseen(self, item: Item) -> Any:
        """Return the test rows: no model was trained on them."""
        import load
        import load_diffusion

        path = item.inputs["partition"]

        def make() -> Any:
            request, images = load.partition(self.job.checked(path)), self._images(item)
            said, base = self._prompts(item), self._base(item)
            return load_diffusion.examples(base, images, said, request.labels, images.rows("test"))

        return self._once("unseen", path, item.inputs["base"], make=make)

    def _conditions(self, item: Item) -> Any:
        import load
        import load_diffusion

        request = load.partition(self.job.checked(item.inputs["partition"]))
        recipe = io.read_json(item.inputs["base_recipe"])
        return load_diffusion.conditions(self._base(item), self._images(item), request, recipe)

    def _judge(self, item: Item) -> Any:
        import load

        path, data = item.inputs["judge"], self._images(item)
        recipe = io.read_json(item.inputs["judge_recipe"])
        shape = (data.images.shape[1], len(data.classes))
        return self._once(
            "judge", path,
            make=lambda: load.model(self.job.checked(path), recipe, *shape, self.job.device),
        )  # fmt: skip

    def _clip(self, item: Item) -> Any:
        import load_words

        path, data = item.inputs["clip"], self._images(item)
        recipe = io.read_json(item.inputs["clip_recipe"])
        return self._once(
            "clip", path,
            make=lambda: load_words.clip(self.job.checked(path), recipe, data, self.job.device),
        )  # fmt: skip


def fill(
    job: Job, make: Callable[..., Any], place: tuple[str, str], write: Callable[..., None],
    raw: str | None = None,
) -> None:  # fmt: skip
    """Make every artifact of a job by a plug-in, from what its positional names ask for.

    place: path grammar of the artifacts, and the name that its wildcard has for the plug-in. The
    random stream never has the method's name: all methods' images start from the same noise.
    """
    parameters = inspect.signature(make).parameters.values()
    wanted = [p.name for p in parameters if p.kind != p.KEYWORD_ONLY]
    hand = Hand(job, raw)
    for item in job.items(place[0]):
        names = (item.names[k] for k in (place[1], "base", "partition"))
        rng = stream(int(item.names["s"]), STREAMS[place[1]], *names)
        handed: list[Any] = [rng if name == "rng" else hand.over(name, item) for name in wanted]
        made = make(*handed, **job.settings)
        streams = [rng] if "rng" in wanted else []
        job.save(write, item.path, made, list(item.inputs.values()), streams)
