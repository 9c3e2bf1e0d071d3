"""How long things took, in words."""

from __future__ import annotations

import pytest

from analyzer.diagnosis.case import seconds
from tests.packets import SECOND


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (800, "1 µs"),
        (SECOND // 10, "100.0 ms"),
        (3 * SECOND, "3.0 s"),
        (119 * SECOND, "119.0 s"),
        (150 * SECOND, "2.5 minutes"),
        (7200 * SECOND, "2.0 hours"),
        (172_800 * SECOND, "2.0 days"),
    ],
)
def test_a_wait_is_told_in_the_unit_that_people_use(ns: int, text: str) -> None:
    assert seconds(ns) == text
