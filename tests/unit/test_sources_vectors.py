"""Signatures that senders published are genuine here."""

import dataclasses

import pytest

from tests.support.source_vectors import VECTORS


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_published_signature_is_genuine_and_a_changed_body_is_not(vector):
    scheme, received = vector.source.scheme, vector.received
    assert scheme.refusal(received, [vector.secret]) is None
    assert scheme.refusal(received, ["another secret of ours", vector.secret]) is None
    changed = dataclasses.replace(vector, body=vector.body[:-1] + bytes([vector.body[-1] ^ 1]))
    assert scheme.refusal(changed.received, [vector.secret]) is not None
