from pathlib import Path

from lab.substrate.microvm.qemu import BootFiles, Hardware, command_line, probe_command_line, snapshot_name

FILES = BootFiles(Path("/image/vmlinux"), Path("/image/initramfs"), Path("/image/root,1.erofs"))
TCG = Hardware("tcg", memory_mib=512, cpus=2)
GOLDEN = Path(__file__).parent / "golden"


def argv(hardware=TCG, ram="own"):
    return command_line(FILES, hardware, ram=ram, uuid="the-uuid", generation="the-generation")


def test_command_line_of_a_booting_machine():
    assert "\n".join(argv()) + "\n" == (GOLDEN / "boot.txt").read_text()


def test_command_line_of_a_restored_machine():
    assert "\n".join(argv(ram="copy")) + "\n" == (GOLDEN / "restore.txt").read_text()


def test_a_template_and_its_copies_differ_only_in_where_memory_lies_and_what_they_wait_for():
    template, copy = argv(ram="template"), argv(ram="copy")
    different = [(a, b) for a, b in zip(template, copy, strict=False) if a != b]
    assert different == [
        (
            "memory-backend-file,id=ram,size=512M,mem-path=ram,share=on",
            "memory-backend-file,id=ram,size=512M,mem-path=snapshot/ram,share=off",
        )
    ]
    assert copy[len(template) :] == ["-incoming", "defer"]


def test_kvm_keeps_what_tcg_gets_wrong():
    tcg, kvm = argv(), argv(Hardware("kvm", memory_mib=512, cpus=2))
    assert "max,-cx16" in " ".join(tcg)
    assert "-cx16" not in " ".join(kvm)


def test_no_path_but_the_images_is_absolute():
    absolute = [word for word in argv(ram="copy") if "/" in word and not word.startswith("memory-backend-file")]
    assert all("/image/" in word for word in absolute)


def test_the_trial_machine_says_on_its_output_what_its_kernel_says():
    words = probe_command_line(Path("/k"), "kvm")
    assert words[words.index("-accel") + 1] == "kvm"
    assert words[words.index("-serial") + 1] == "stdio"


def name(hardware=TCG, image_key="i", qemu_identity="q", cpu_model="c"):
    return snapshot_name(hardware, image_key=image_key, qemu_identity=qemu_identity, cpu_model=cpu_model)


def test_a_snapshot_name_changes_with_all_that_a_restore_depends_on():
    others = [
        name(Hardware("tcg", memory_mib=640, cpus=2)),
        name(Hardware("tcg", memory_mib=512, cpus=1)),
        name(Hardware("kvm", memory_mib=512, cpus=2)),
        name(image_key="another"),
        name(qemu_identity="another"),
    ]
    assert len({name(), *others}) == 6
    assert name() == name()


def test_the_hosts_cpu_counts_under_kvm_only():
    kvm = Hardware("kvm", memory_mib=512, cpus=2)
    assert name(cpu_model="another") == name()
    assert name(kvm, cpu_model="another") != name(kvm)
