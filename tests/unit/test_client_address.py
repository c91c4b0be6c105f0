"""Whose request it is, and what its bodies may take of a front."""

import pytest

from pumice.errors import Overloaded, TooMany
from pumice.web.http.body_budget import BodyBudget, owner_of
from pumice.web.http.client_address import client_address


@pytest.mark.parametrize(
    ("said", "proxies", "address"),
    [
        ("", 0, "peer"),
        ("1.1.1.1", 0, "peer"),
        ("", 1, "peer"),
        ("1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9,1.1.1.1 , 2.2.2.2", 2, "1.1.1.1"),
        ("1.1.1.1", 2, "peer"),
        ("unknown", 1, "peer"),
        ("2001:db8::1", 1, "2001:db8::1"),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(said, proxies, address):
    assert client_address("peer", said, proxies) == address


def test_a_customer_has_one_network():
    assert owner_of("2001:db8::1") == owner_of("2001:db8::ffff") != owner_of("2001:db8:0:1::1")
    assert owner_of("::ffff:1.2.3.4") == "1.2.3.4"
    assert owner_of("no:address") == "no:address"


def test_an_address_has_a_share_and_all_have_a_limit():
    budget = BodyBudget(100)
    budget.take("1.1.1.1", 50)
    with pytest.raises(TooMany):
        budget.take("1.1.1.1", 1)
    budget.take("2.2.2.2", 40)
    with pytest.raises(Overloaded) as caught:
        budget.take("3.3.3.3", 20)
    assert caught.value.retry_after
    budget.give_back("1.1.1.1", 50)
    budget.take("3.3.3.3", 20)
    budget.take("1.1.1.1", 40)
