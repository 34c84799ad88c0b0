"""The image that this project builds boots, and the guest has all that a lab needs."""

import json
import subprocess
from pathlib import Path

import pytest

from lab.image import GuestImage, ensure
from lab.image.base import which
from lab.image.cpio import Entry, archive
from lab.substrate.microvm.qemu import KERNEL_PARAMETERS

pytestmark = pytest.mark.machine
BOOT_DEADLINE_S = 120  # a busy host without hardware virtualisation
QEMU = "qemu-system-x86_64"


@pytest.fixture(scope="module")
def image() -> GuestImage:
    return ensure(lambda _: None)


def boot(image: GuestImage, initramfs: Path) -> str:
    """All that the guest's console shows until it powers off."""
    done = subprocess.run(
        [
            QEMU,
            *("-machine", "q35", "-accel", "tcg", "-cpu", "max,-cx16", "-smp", "1", "-m", "512"),
            *("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
            *("-kernel", str(image.kernel), "-initrd", str(initramfs)),
            *("-drive", f"if=none,file={image.root},format=raw,readonly=on,id=root"),
            *("-device", "virtio-blk-pci,drive=root"),
            *("-append", f"{KERNEL_PARAMETERS} vpnlab.resident=image_resident"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOOT_DEADLINE_S,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(which(QEMU) is None, reason=f"{QEMU} is not installed")
def test_the_guest_has_what_a_lab_needs_and_powers_off_when_its_resident_process_ends(
    image: GuestImage, tmp_path: Path
) -> None:
    resident = Path(__file__).with_name("image_resident.py").read_bytes()
    initramfs = tmp_path / "initramfs"
    initramfs.write_bytes(image.initramfs.read_bytes() + archive({"vpnlab/image_resident.py": Entry(resident)}))
    console = boot(image, initramfs)
    tried = [json.loads(line.partition(" ")[2]) for line in console.splitlines() if line.startswith("TRIED ")]
    assert "resident process image_resident ended with code 0" in console, console
    failed = {one["name"]: one["said"] for one in tried if not one["ok"]}
    assert failed == {}
    assert {"xfrm interface", "charon-systemd", "orphans are reaped"} <= {one["name"] for one in tried}


def test_a_second_call_builds_nothing(image: GuestImage) -> None:
    said: list[str] = []
    assert ensure(said.append) == image
    assert said == []


def test_the_manifest_says_what_is_in_the_image(image: GuestImage) -> None:
    manifest = json.loads((image.root.parent / "manifest.json").read_text())
    assert manifest["packages"]["charon-systemd"].startswith("6.")
    assert manifest["libraries"].keys() >= {"exabgp", "pyroute2", "vici"}
    assert manifest["size_bytes"]["root.erofs"] == image.root.stat().st_size
    assert manifest["duration_s"] >= sum(manifest["phases_s"].values()) * 0.9
