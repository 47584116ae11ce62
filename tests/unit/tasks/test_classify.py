"""Images are ranked by their features, and what changes is named."""

from __future__ import annotations

import numpy as np
import pytest

from pe_validate.data.case import Case
from pe_validate.tasks.classify import BLOCK, Classifier, Ranked, accuracy, change, class_means

CASE = Case("PE-Nano", "onnx", "fp32")
THREE = Classifier(("a", "b", "c"), np.array([[1, 0], [0, 2], [1, 1]], np.float32))


def ranks_of(classifier: Classifier, feature: list[float]) -> list[int]:
    """The rank of each class for one feature."""
    features = np.array([feature] * 3, np.float32)
    found: list[int] = classifier.ranks(features, np.arange(3)).tolist()
    return found


def test_the_length_of_an_embedding_does_not_matter() -> None:
    assert ranks_of(THREE, [3, 4]) == [2, 1, 0]
    assert ranks_of(THREE, [0.3, 0.1]) == [0, 2, 1]


def test_a_head_weighs_and_has_a_bias() -> None:
    head = Classifier(("a", "b", "c"), THREE.weight, np.array([0, 0, -10], np.float32), cosine=False)
    assert ranks_of(head, [3, 4]) == [1, 0, 2]


def test_of_equal_classes_the_first_one_is_likelier() -> None:
    same = Classifier(("a", "b", "c"), np.ones((3, 2), np.float32))
    assert ranks_of(same, [1, 1]) == [0, 1, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_recognises_nothing(value: float) -> None:
    assert ranks_of(THREE, [1, value]) == [3, 3, 3]


def test_many_images_are_ranked_as_one_by_one() -> None:
    features = np.random.default_rng(0).normal(size=(2 * BLOCK + 3, 2)).astype(np.float32)
    wanted = np.arange(len(features)) % 3
    single = [THREE.ranks(features[i : i + 1], wanted[i : i + 1])[0] for i in range(0, len(features), 97)]
    assert THREE.ranks(features, wanted)[::97].tolist() == single


def test_accuracy_counts_first_places_first_five_and_each_class_alike() -> None:
    found = accuracy(CASE, "x", "", Ranked(tuple("abcd"), np.array([0, 0, 0, 1]), np.array([0, 0, 5, 4])))
    assert (found.top1.value, found.top5.value) == (0.5, 0.75)
    assert found.per_class == pytest.approx((2 / 3 + 0) / 2)


def test_images_that_change_are_named_each_way() -> None:
    labels = np.zeros(5, np.int64)
    before = Ranked(tuple("abcde"), labels, np.array([0, 0, 1, 2, 0]))
    after = Ranked(tuple("abcde"), labels, np.array([0, 3, 0, 2, 1]))
    found = change(before, after)
    assert (found.lost, found.won) == (("b", "e"), ("c",))
    assert found.points == pytest.approx(-20)
    assert found.low < found.points < found.high


def test_the_nearest_mean_is_of_directions() -> None:
    features = np.array([[10, 0], [0.1, 0.1], [0, 1]], np.float32)
    means = class_means(features, np.array([0, 0, 1]), ("a", "b"))
    assert means.ranks(np.array([[1, 0.2], [0.1, 1]], np.float32), np.array([0, 1])).tolist() == [0, 0]


def test_a_class_without_images_has_no_mean() -> None:
    with pytest.raises(ValueError, match="the class 'c' has no image"):
        class_means(np.ones((2, 2), np.float32), np.array([0, 1]), ("a", "b", "c"))
