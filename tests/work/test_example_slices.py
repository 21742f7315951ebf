"""The slices of predicted masks that a run keeps."""

from __future__ import annotations

import numpy as np
from survbench.work.example_slices import Examples, read_examples
from toy_site import mask, patient


def test_examples_keep_the_slice_with_the_largest_manual_area(tmp_path):
    predicted = np.zeros((8, 8, 6), dtype=np.float32)
    predicted[5, 5, 2] = 0.75
    kept = Examples([patient("P1"), patient("P2"), patient("P3")], [mask()] * 3)
    assert len(list(kept.watch(iter([predicted] * 3)))) == 3
    kept.write(tmp_path)
    one, two = read_examples(tmp_path)
    assert (one.id, two.id) == ("P1", "P2")
    expected = np.zeros((8, 8), dtype=np.uint8)
    expected[8 - 7 : 8 - 4, 8 - 3 : 8 - 1] = 255  # anterior above, the patient's right on the left
    assert np.array_equal(one.manual, expected)
    assert one.probability[7 - 5, 7 - 5] == round(0.75 * 255)
    assert one.image[0, 0] == 255 > one.image[0, -1] == 0, "PET, not the CT that comes first"
    before = (tmp_path / "examples.npz").read_bytes()
    kept.write(tmp_path)
    assert (tmp_path / "examples.npz").read_bytes() == before
    assert read_examples(tmp_path / "nowhere") == ()
