from pathlib import Path

from lab.runtime.ports import find_ports


def test_ports_are_found_by_name_in_the_order_of_their_numbers(tmp_path):
    for device, name in [("vport2p9", "org.vpnlab.10"), ("vport2p1", "org.vpnlab.2"), ("vport1p1", "com.redhat.agent")]:
        (tmp_path / device).mkdir()
        (tmp_path / device / "name").write_text(name + "\n")
    (tmp_path / "vport0p0").mkdir()
    assert find_ports(tmp_path) == {2: Path("/dev/vport2p1"), 10: Path("/dev/vport2p9")}
