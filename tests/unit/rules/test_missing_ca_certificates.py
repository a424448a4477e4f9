"""missing-ca-certificates: nothing in any of the places that Go knows."""

from __future__ import annotations

from gotrace.rules.finding import Severity
from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines, proof

FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")
SAID = 'Get "https://x/": tls: failed to verify certificate: x509: certificate signed by unknown authority'
NAME = "missing-ca-certificates"


def test_all_places_are_empty() -> None:
    program = Program()
    program.misses(*FILES, *FOLDERS)
    program.says(SAID)

    finding = program.finding(NAME)

    assert finding.severity is Severity.ERROR
    assert "none of the 6 files that Go knows" in finding.message
    assert "among the files of this system" in finding.message
    assert "x509: certificate signed by unknown authority" in proof(finding)
    assert lines(finding) == ["apt-get install -y ca-certificates"]


def test_in_an_image_the_bundle_is_copied() -> None:
    program = Program(mount_namespace=IMAGE, root="/sys")
    program.misses(*FILES, *FOLDERS)
    program.says(SAID)
    texts = [fix.text for fix in program.finding(NAME).fix]
    assert "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt" in texts[0]
    assert lines(program.finding(NAME)) == []


def test_in_a_folder_that_is_known_too_by_a_command() -> None:
    program = Program(root="/srv/root")
    program.misses(*FILES, *FOLDERS)
    program.says(SAID)
    assert lines(program.finding(NAME)) == ["cp -a --parents /etc/ssl/certs/ca-certificates.crt /srv/root"]


def test_a_folder_without_a_file_is_as_good_as_none() -> None:
    system = {"certificates": {"/etc/ssl/certs": 0}}
    for known, expected in ((system, [NAME]), ({"certificates": {"/etc/ssl/certs": 140}}, []), (None, [])):
        program = Program(system=known)
        program.misses(*FILES, FOLDERS[1])
        program.says(SAID)
        assert [one.name for one in program.findings()] == expected


def test_who_finds_the_second_place_has_certificates() -> None:
    program = Program()
    program.misses(FILES[0], *FOLDERS)
    program.says(SAID)
    assert program.findings() == []


def test_a_bundle_of_the_users_choice() -> None:
    program = Program(env={"SSL_CERT_FILE": "/etc/ours.pem"})
    program.misses("/etc/ours.pem", *FOLDERS)
    program.says(SAID)
    finding = program.finding(NAME)
    assert "SSL_CERT_FILE names /etc/ours.pem, which is not there" in finding.message
    assert finding.fix[0].text.startswith("Have SSL_CERT_FILE name a file that is there")


def test_folders_of_the_users_choice() -> None:
    program = Program(env={"SSL_CERT_DIR": "/a:/b"})
    program.misses(*FILES, "/a", "/b")
    program.says(SAID)
    assert program.finding(NAME)


def test_who_says_nothing_is_only_likely_to_have_failed_by_it() -> None:
    program = Program()
    program.misses(*FILES, *FOLDERS)
    finding = program.finding(NAME)
    assert finding.severity is Severity.WARNING
    assert finding.confidence < 1.0


def test_who_names_another_reason_has_that_one() -> None:
    program = Program()
    program.misses(*FILES, *FOLDERS)
    program.says("panic: quota exceeded")
    assert program.findings() == []


def test_certificates_in_the_program_are_enough() -> None:
    program = Program(parts=["fallback certificates"])
    program.misses(*FILES, *FOLDERS)
    assert program.findings() == []


def test_a_service_that_was_ended_failed_by_nothing() -> None:
    program = Program()
    program.misses(*FILES, *FOLDERS)
    assert program.findings(status=None, signal=15) == []
    assert program.findings(status=0) == []


def test_builds_are_not_asked() -> None:
    program = Program()
    program.misses(*FILES, *FOLDERS)
    program.says(SAID)
    assert program.findings(running=False) == []
