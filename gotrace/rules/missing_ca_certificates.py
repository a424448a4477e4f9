"""GT501: no certificate of a server can be verified, because there are no certificates of authorities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.system_files import CERTAIN, Seeker
from gotrace.trace.model import Trace

_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
_FILES: Final = (
    _BUNDLE,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_FOLDERS: Final = ("/etc/ssl/certs", "/etc/pki/tls/certs")
_SAID: Final = re.compile(r"\bx509: certificate signed by unknown authority|\bx509: failed to load system roots")


class MissingCaCertificates(Rule):
    """A program failed to verify the certificate of a server, because there are no CA certificates where it runs.

    What it detects
    ---------------
    A program of Go failed after it had looked for the certificates of authorities in all places that Go knows, and
    had found none: each file ended with ENOENT, and the folders are not there or are empty. A program that finds one of
    them, or that has the certificates linked in, is not meant.

    Why it happens
    --------------
    Go's crypto/x509 reads the system's bundle at run time, when it verifies the first certificate. An image that was
    built FROM scratch holds no such file, and neither do small images of distributions. What the program reports is
    "x509: certificate signed by unknown authority", as if the server were to blame.

    How to fix it
    -------------
    Put the bundle into the image: `COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/`, or install
    the package that has it. Or link the certificates in, by importing golang.org/x/crypto/x509roots/fallback. Where
    the bundle lies elsewhere, SSL_CERT_FILE names it.

    References
    ----------
    - https://pkg.go.dev/crypto/x509#SystemCertPool
    - Go's src/crypto/x509/root_linux.go and root_unix.go
    - https://pkg.go.dev/golang.org/x/crypto/x509roots/fallback
    """

    code = "GT501"
    name = "missing-ca-certificates"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each run that failed by it."""
        for seeker in system_files.seekers(trace):
            calls = _vain(seeker)
            if not calls or "fallback certificates" in (seeker.parts or ()):
                continue
            sure, words = seeker.blames(_SAID)
            if not sure:
                continue
            yield Finding(
                code=self.code,
                name=self.name,
                severity=Severity.ERROR if sure == CERTAIN else Severity.WARNING,
                message=_message(seeker),
                span=seeker.span,
                evidence=evidence.of(*evidence.sample(calls), evidence.quoted(words), seeker.span.exit),
                fix=_fixes(trace, seeker),
                confidence=sure,
                explains=frozenset({seeker.key}),
            )


def _named(seeker: Seeker) -> str:
    """The bundle that the user chose; empty where none was."""
    return (seeker.span.exec.env or {}).get("SSL_CERT_FILE", "")


def _vain(seeker: Seeker) -> list[SyscallError]:
    """The calls by which no certificate was found; none where one may have been."""
    env = seeker.span.exec.env or {}
    chosen = [folder for folder in env.get("SSL_CERT_DIR", "").split(":") if folder]
    held = seeker.known("certificates")
    empty = [folder for folder in chosen or _FOLDERS if isinstance(held, dict) and held.get(folder) == 0]
    files = [_named(seeker)] if _named(seeker) else list(_FILES)
    return seeker.lacks([*files, *(folder for folder in chosen or _FOLDERS if folder not in empty)])


def _message(seeker: Seeker) -> str:
    if named := _named(seeker):
        return (
            f"{seeker.name} found no CA certificates: SSL_CERT_FILE names {named}, which is not there, "
            "and the folders that Go looks into hold none. It trusts no server's certificate."
        )
    return (
        f"{seeker.name} found no CA certificates: none of the {len(_FILES)} files that Go knows, such as {_BUNDLE}, is "
        f"among the files of {seeker.where}. It trusts no server's certificate."
    )


def _fixes(trace: Trace, seeker: Seeker) -> list[Fix]:
    ways = [Fix("Have SSL_CERT_FILE name a file that is there, or unset it.")] if _named(seeker) else []
    ways += system_files.copies(seeker, [_BUNDLE], "the bundle of certificates")
    ways += system_files.install(trace, seeker, [system_files.package("certificates")], "Install the CA certificates")
    return [*ways, Fix('Or link them in: import _ "golang.org/x/crypto/x509roots/fallback" in the main package.')]
