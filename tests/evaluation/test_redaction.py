"""Text from another machine, without its paths."""

from __future__ import annotations

import pytest
from survbench.evaluation.redaction import without_paths


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("OSError: [Errno 28] full: '/data/Ada L/x.npy'", "OSError: [Errno 28] full: '…'"),
        ('File "/home/a b/fit.py", line 3', 'File "…/fit.py", line 3'),
        (r"C:\Users\ada\scan.nii is missing", "… is missing"),
        ("see https://user:word@host/x now", "see … now"),
        ("~ada/scan.nii and file:///scan.nii", "… and …"),
        ("3/4 of L_sur/L_seg, and/or 5 / 6", "3/4 of L_sur/L_seg, and/or 5 / 6"),
    ],
)
def test_paths_are_cut(given, shown):
    assert without_paths(given) == shown
