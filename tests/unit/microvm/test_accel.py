import json

from lab.substrate.microvm import accel
from lab.substrate.microvm.accel import TRY_AGAIN_S, Accel, choose, judge

ALIVE = b"[    0.71] Kernel panic - not syncing: VFS: Unable to mount root fs"


def test_a_kernel_that_came_as_far_as_its_root_proves_kvm():
    assert judge("kvm", ALIVE, 6).name == "kvm"


def test_silence_an_internal_error_and_a_refusal_mean_tcg_and_say_why():
    silent = Accel("tcg", "with kvm the guest's kernel did not start within 6 s: no output", lasts=False)
    assert judge("kvm", b"", 6) == silent
    assert "KVM internal error" in judge("kvm", b"KVM internal error. Suberror: 1\n", 6).why
    assert "Permission denied" in judge("kvm", b"Could not access KVM kernel module: Permission denied\nx", 6).why


def test_without_the_device_nothing_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    assert choose(tmp_path / "kernel", tmp_path) == Accel("tcg", f"there is no {tmp_path}/kvm")


def test_kvm_is_tried_once_and_again_with_another_kernel(tmp_path, monkeypatch):
    (tmp_path / "kvm").touch()
    kernel, tried = tmp_path / "kernel", []
    kernel.write_bytes(b"one")
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(accel, "program_identity", lambda: "qemu")
    monkeypatch.setattr(accel, "try_kernel", lambda name, _: tried.append(name) or Accel("kvm", "proven"))
    cache = tmp_path / "cache"
    assert [choose(kernel, cache).name for _ in range(2)] == ["kvm", "kvm"]
    assert tried == ["kvm"]
    kernel.write_bytes(b"other")
    choose(kernel, cache)
    (cache / "accel.json").write_text(json.dumps({"host": "of an older version"}))
    choose(kernel, cache)
    assert tried == ["kvm"] * 3


def test_a_failure_that_may_pass_is_tried_again_after_a_while_and_another_one_is_not(tmp_path, monkeypatch):
    (tmp_path / "kvm").touch()
    kernel, tried, now = tmp_path / "kernel", [], [1000.0]
    kernel.touch()
    answers = [judge("kvm", b"Device or resource busy", 6), judge("kvm", b"KVM internal error", 6)]
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(accel, "program_identity", lambda: "qemu")
    monkeypatch.setattr(accel, "try_kernel", lambda name, _: tried.append(name) or answers[len(tried) - 1])
    monkeypatch.setattr(accel.time, "time", lambda: now[0])
    for seconds in (0, TRY_AGAIN_S - 1, 1, 10 * TRY_AGAIN_S):
        now[0] += seconds
        assert choose(kernel, tmp_path).name == "tcg"
    assert tried == ["kvm", "kvm"]
