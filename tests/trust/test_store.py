"""Reading files, directories and well-known stores: what is found, what is told, what is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.trust import store as store_module
from analyzer.trust.store import StoreProblem, TrustStore, read_stores

STORES = Path(__file__).parent / "data" / "stores"


def codes(store: TrustStore) -> list[str]:
    return [problem.code for problem in store.problems]


def only_problem(store: TrustStore) -> StoreProblem:
    (problem,) = store.problems
    return problem


def copy(to: Path, *names: str) -> None:
    for name in names:
        shutil.copy(STORES / name, to / name)


def test_a_directory_may_mix_every_format(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem", "expired-root.pem", "chain.p7b", "java.p12", "root-and-other.jks")
    (tmp_path / "below").mkdir()
    copy(tmp_path / "below", "root.der", "future-root.pem")
    store = read_stores([tmp_path], "changeit")
    assert len(store.entries) == 1 + 1 + 3 + 2 + 2 + 1 + 1
    assert len(store.certificates) == 6
    assert codes(store) == ["duplicate"]
    assert {Path(entry.source).name for entry in store.entries} == {
        "root.pem", "expired-root.pem", "chain.p7b", "java.p12", "root-and-other.jks", "root.der", "future-root.pem",
    }  # fmt: skip


def test_the_suffix_says_nothing(tmp_path: Path) -> None:
    shutil.copy(STORES / "java.p12", tmp_path / "roots.jks")
    shutil.copy(STORES / "root-and-other.jks", tmp_path / "roots.pem")
    shutil.copy(STORES / "root.pem", tmp_path / "roots.p12")
    store = read_stores([tmp_path], "changeit")
    assert len(store.entries) == 5
    assert codes(store) == ["duplicate"]


def test_sources_are_those_the_user_gave() -> None:
    paths: list[str | Path] = [STORES / "root.pem", str(STORES / "leaf.pem")]
    assert read_stores(paths).sources == tuple(map(str, paths))


def test_one_password_serves_the_stores_that_need_it() -> None:
    store = read_stores([STORES / "root.pem", STORES / "java.p12", STORES / "root-and-other.jks"], "changeit")
    assert len(store.entries) == 5
    assert codes(store) == ["duplicate"]


def test_duplicates_stay_entries_and_are_told_once(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem", "root.der")
    store = read_stores([tmp_path])
    assert len(store.entries) == 2
    assert len(store.certificates) == 1
    problem = only_problem(store)
    assert (problem.code, problem.severity) == ("duplicate", "note")
    assert "root.der" in problem.text
    assert "root.pem" in problem.text


def test_a_hash_directory_counts_each_file_once_under_its_own_name(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem", "other-root.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    assert len(list(tmp_path.iterdir())) == 4
    store = read_stores([tmp_path])
    assert [Path(entry.source).name for entry in store.entries] == ["other-root.pem", "root.pem"]
    assert store.problems == ()


def test_a_directory_that_links_to_itself_ends(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    store = read_stores([tmp_path])
    assert len(store.entries) == 1
    assert codes(store) == ["unreadable-file"]


def test_the_same_file_named_twice_is_read_once() -> None:
    store = read_stores([STORES / "root.pem", STORES / "root.pem"])
    assert len(store.entries) == 1
    assert store.problems == ()


def test_neighbours_in_a_directory_are_notes(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem", "key.der", "request.der", "revoked.crl", "public-key.der")
    (tmp_path / "README.txt").write_text("The CAs of the backend.\n")
    (tmp_path / "touched").touch()
    store = read_stores([tmp_path])
    assert len(store.entries) == 1
    assert {(problem.code, problem.severity) for problem in store.problems} == {
        ("not-a-store", "note"), ("private-key", "note"), ("certificate-request", "note"), ("crl", "note"),
        ("public-key", "note"), ("empty", "note"),
    }  # fmt: skip


def test_hidden_and_backup_files_are_passed_over_and_told(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem")
    for name in (".root.pem.swp", "root.pem~", ".#root.pem", "old.pem.bak"):
        shutil.copy(STORES / "leaf.pem", tmp_path / name)
    (tmp_path / ".git").mkdir()
    store = read_stores([tmp_path])
    assert len(store.entries) == 1
    problem = only_problem(store)
    assert (problem.code, problem.severity) == ("files-skipped", "note")
    assert "and 2 more" in problem.text


def test_a_mounted_kubernetes_secret_is_read_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "..2026_01_01").mkdir()
    copy(tmp_path / "..2026_01_01", "root.pem")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "ca.crt").symlink_to("..data/root.pem")
    store = read_stores([tmp_path])
    assert [Path(entry.source).name for entry in store.entries] == ["ca.crt"]


def test_a_pipe_in_a_directory_does_not_block(tmp_path: Path) -> None:
    copy(tmp_path, "root.pem")
    os.mkfifo(tmp_path / "pipe")
    store = read_stores([tmp_path])
    assert len(store.entries) == 1
    assert codes(store) == ["files-skipped"]


def test_a_pipe_named_by_the_user_is_read(tmp_path: Path) -> None:
    command = (
        "import sys; from analyzer.trust.store import read_stores; print(len(read_stores(['/dev/stdin']).entries))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command],
        input=(STORES / "root.pem").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"1"


def test_an_endless_file_ends() -> None:
    store = read_stores(["/dev/zero"])
    assert codes(store) == ["too-large"]


def test_a_directory_without_certificates_is_an_error(tmp_path: Path) -> None:
    assert only_problem(read_stores([tmp_path])).code == "empty"
    (tmp_path / "README.txt").write_text("nothing here yet\n")
    store = read_stores([tmp_path])
    assert [(p.code, p.severity) for p in store.problems] == [("not-a-store", "note"), ("empty", "error")]
    assert not store.usable


def test_an_empty_directory_is_told_beside_a_good_store_too(tmp_path: Path) -> None:
    store = read_stores([STORES / "root.pem", tmp_path])
    assert store.usable
    assert codes(store) == ["empty"]


def test_too_many_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy(tmp_path, "root.pem", "other-root.pem", "leaf.pem")
    monkeypatch.setattr(store_module, "MOST_FILES", 2)
    store = read_stores([tmp_path])
    assert len(store.entries) == 2
    assert codes(store) == ["too-many-files"]


def test_a_missing_path_is_a_problem_and_the_rest_is_read() -> None:
    store = read_stores(["nowhere/ca.pem", STORES / "root.pem"])
    assert store.usable
    problem = only_problem(store)
    assert (problem.code, problem.source, problem.severity) == ("missing-file", "nowhere/ca.pem", "error")


def test_a_dangling_link_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").symlink_to("gone.pem")
    problem = only_problem(read_stores([tmp_path / "ca.pem"]))
    assert problem.code == "missing-file"
    assert "gone.pem" in problem.text


def test_permission_denied_is_told_with_its_path(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pem"
    shutil.copy(STORES / "root.pem", secret)
    secret.chmod(0)
    tmp_path.chmod(0o755)
    command = (
        "import os, sys; from analyzer.trust.store import read_stores\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "print(*[(p.code, p.source) for p in read_stores(sys.argv[1:]).problems])"
    )
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", command, str(secret)], capture_output=True, check=True, text=True)
    assert "unreadable-file" in done.stdout
    assert str(secret) in done.stdout


@pytest.mark.parametrize("name", ["with\0zero", "x" * 5000])
def test_an_impossible_path_is_a_problem(name: str) -> None:
    assert codes(read_stores([name])) in (["unreadable-file"], ["missing-file"])


def test_names_of_files_cannot_drive_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2Jb.pem").write_bytes(b"")
    (tmp_path / "c\udcff.pem").write_bytes(b"")
    problems = read_stores([tmp_path]).problems
    assert len({problem.source for problem in problems}) == 3
    for problem in problems:
        assert problem.source.isprintable()
        assert problem.text.isprintable()


def test_no_certificate_of_the_system_store_is_lost() -> None:
    bundle = next((Path(path) for path in store_module.SYSTEM_BUNDLES if Path(path).is_file()), None)
    if bundle is None:
        pytest.skip("this machine has no bundle of CA certificates")
    store = read_stores(["system"])
    assert len(store.entries) == bundle.read_text(errors="replace").count("-----BEGIN CERTIFICATE-----")
    assert store.sources == ("system",)
    assert {entry.source for entry in store.entries} == {str(bundle)}


def test_a_machine_without_bundle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SYSTEM_BUNDLES", ("/nowhere/ca.crt",))
    problem = only_problem(read_stores(["system"]))
    assert (problem.code, problem.source) == ("missing-system-store", "system")


def test_mozilla_says_what_to_install_when_certifi_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "certifi", None)
    problem = only_problem(read_stores(["mozilla"]))
    assert problem.code == "mozilla-not-installed"
    assert "pip install certifi" in problem.text


def test_mozilla_is_certifi_where_it_is_installed() -> None:
    pytest.importorskip("certifi", reason="certifi is not installed")
    assert len(read_stores(["mozilla"]).entries) > 50


def test_the_environment_does_not_choose_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SYSTEM_BUNDLES", (str(STORES / "root.pem"),))
    monkeypatch.setenv("SSL_CERT_FILE", str(STORES / "leaf.pem"))
    (entry,) = read_stores(["system"]).entries
    assert entry.source == str(STORES / "root.pem")


def test_a_certificate_that_openssl_distrusts_is_left_out_and_told() -> None:
    for name in ("rejected.pem", "mail-only.pem"):
        store = read_stores([STORES / name])
        assert not store.usable
        assert (only_problem(store).code, only_problem(store).severity) == (
            "distrusted-certificate",
            "warning",
        )


def test_openssl_trust_settings_are_per_purpose() -> None:
    assert read_stores([STORES / "trusted.pem"]).usable
    assert not read_stores([STORES / "trusted.pem"], purpose="client").usable
    assert read_stores([STORES / "rejected.pem"], purpose="client").usable


def test_nothing_named_is_nothing_read() -> None:
    assert read_stores([]) == TrustStore(sources=(), entries=(), problems=())
