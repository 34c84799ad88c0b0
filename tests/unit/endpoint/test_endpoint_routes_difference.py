from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from endpoint.plan import NextHop
from endpoint.routes import difference
from endpoint.rtnetlink import attribute, attributes

prefixes = st.sampled_from([IPv4Network(f"10.{number}.0.0/16") for number in range(6)])
hops = st.lists(
    st.builds(NextHop, st.sampled_from(["vpn1", "vpn2"]), st.sampled_from([None, IPv4Address("169.254.0.1")])),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)
tables = st.dictionaries(prefixes, hops)


@given(tables, tables)
def test_applying_the_difference_gives_what_is_wanted(wanted, present):
    added, replaced, removed = difference(wanted, present)
    assert len({*added, *replaced, *removed}) == len(added) + len(replaced) + len(removed)
    kernel = dict(present)
    for prefix in removed:
        del kernel[prefix]
    for prefix in added:
        assert prefix not in kernel
        kernel[prefix] = wanted[prefix]
    for prefix in replaced:
        kernel[prefix] = wanted[prefix]
    assert {prefix: set(ways) for prefix, ways in kernel.items()} == {p: set(w) for p, w in wanted.items()}


@given(tables)
def test_what_is_so_already_needs_no_change_in_whatever_order(table):
    assert difference(table, {prefix: ways[::-1] for prefix, ways in table.items()}) == ((), (), ())


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=20)))
def test_attributes_survive_the_wire(fields):
    wire = b"".join(attribute(kind, value) for kind, value in fields.items())
    assert attributes(wire) == fields


@given(st.binary(max_size=64))
def test_no_bytes_make_reading_attributes_fail(data):
    attributes(data)
