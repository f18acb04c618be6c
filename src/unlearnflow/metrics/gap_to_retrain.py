"""Average gap to the retrained model over forgetting, utility and membership."""

from __future__ import annotations

import numpy as np

from unlearnflow.attacks import scores, sides, threshold
from unlearnflow.probability import accuracy
from unlearnflow.rng import Stream
from unlearnflow.types import Images, Partition


def measure(
    outputs: dict[str, np.ndarray],
    retrain_outputs: dict[str, np.ndarray],
    partition: Partition,
    images: Images,
    rng: Stream,
) -> dict[str, float | None]:
    """Return the mean |difference to retrain| over UA, RA, TA and MIA, and the four terms.

        gap = (|UA - UA*| + |RA - RA*| + |TA - TA*| + |MIA - MIA*|) / 4,   * of retrain

    UA = 1 - accuracy on forget rows; RA, TA = accuracy on retain and on test rows (of classes that
    are still there); MIA = share of forget rows that the attacker calls non-members. All against
    true labels, in [0, 1]; 0 for retrain itself. Reference: arXiv:2310.12508, section 5; there
    the attacker is a support vector machine on the confidence, here a threshold on it.
    """
    own = _terms(outputs, partition, images, rng)
    theirs = _terms(retrain_outputs, partition, images, rng)
    gaps = {name: abs(own[name] - theirs[name]) for name in own}
    result: dict[str, float | None] = {f"gap_{name}": gap for name, gap in gaps.items()}
    result["average_gap"] = float(np.mean(list(gaps.values())))
    result["mia_efficacy"] = own["mia"]
    return result


def _terms(
    outputs: dict[str, np.ndarray], partition: Partition, images: Images, rng: Stream
) -> dict[str, float]:
    logits, truth = outputs["logits"], partition.truth
    test = images.rows("test")
    test = test[np.isin(truth[test], truth[partition.retain])]
    dealt = sides(partition, images, rng)
    score = scores(logits, truth)["confidence"]
    cut = threshold(score[dealt.known_members], score[dealt.known_others])

    def of(rows: np.ndarray) -> float:
        found = accuracy(logits[rows], truth[rows])
        return 0.0 if found is None else found

    return {
        "ua": 1 - of(partition.forget),
        "ra": of(partition.retain),
        "ta": of(test),
        "mia": float((score[partition.forget] <= cut).mean()),
    }
