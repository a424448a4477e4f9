"""Which source, and which decoder."""

from __future__ import annotations

from typing import Any

import pytest

from gotrace.errors import RecordingError, UsageError
from gotrace.sources.choose import choose, decoder
from tests.unit.sources.ebpf import raw


def test_a_decoder_is_made_again_from_what_its_capture_told() -> None:
    assert len(decoder(raw.INFO).decode(raw.fork(1, 7, 8))) == 1


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"source": "another"},
        {"source": "ebpf"},
        {**raw.INFO, "layouts": {}},
        {**raw.INFO, "layouts": 5},
        {**raw.INFO, "constants": {}},
        {**raw.INFO, "layouts": {**raw.INFO["layouts"], "exit_record": {"members": []}}},
    ],
)
def test_a_description_that_makes_no_sense_is_one_clear_error(info: dict[str, Any]) -> None:
    with pytest.raises(RecordingError):
        decoder(info)


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no backend named 'magic'") as caught:
        choose("magic")
    assert "ebpf" in caught.value.remedy
