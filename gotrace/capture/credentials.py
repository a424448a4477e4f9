"""Finds credentials in text: by the name they are given, by the URL they stand in, or by their own shape.

Every search is linear in the text, which may be hostile: a word is entered at its start only and never scanned twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

MASK = "***"

_STEMS = ("pass", "pwd", "secret", "token", "key", "cred", "auth", "bearer", "cookie", "curl")
_SHAPE_STEMS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk_live_", "akia", "eyj")

_WORDS = frozenset(
    {"password", "passwd", "passphrase", "passcode", "pass", "pwd", "secret", "secrets", "token", "apikey", "auth"}
    | {"authorization", "bearer", "credential", "credentials", "creds", "cookie"}
)
_COMPOUNDS = ("password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "privatekey")
_COMPOUND_TOKENS = ("authtoken", "accesstoken", "sessiontoken")
_KINDS_OF_KEY = frozenset(
    {"api", "access", "secret", "private", "signing", "encryption", "license", "account", "shared", "master", "storage"}
    | {"auth", "service"}
)
_TRAILERS = frozenset({"value", "text", "string", "raw"})
"""Words that may follow a credential's name and change nothing: tokenValue."""
_ABOUT_A_SECRET = frozenset(
    {"file", "path", "dir", "url", "uri", "name", "id", "type", "len", "length", "size", "ttl", "store", "manager"}
    | {"provider", "version", "namespace", "ref", "stdin"}
)
"""secretName and SECRET_FILE say where a secret is; SECRET_KEY_BASE is one."""

_PLAIN_WORDS = frozenset({"password", "passphrase", "secret"})
"""What in front of a colon means a credential though it is no header field; compilers say `token:`."""

_SEGMENT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_USERINFO = re.compile(r"""://(?!git@)(?:[^\s/:?#"'<>]*:[^\s/"'<>]*|[^\s/?#"'<>]+)@""")
"""The last @ before the path ends the userinfo; a password may hold anything but a slash. git@ is no secret."""

_ASSIGNMENT = re.compile(r"(?<![\w.\-])([\w.\-]++)=(?![=>])")
_FLAG = re.compile(r"(?<![\w\-])(--?+[A-Za-z][\w.\-]*+)[ \t]++(?=[^\s\-])")
_COLON = re.compile(r'(?<![\w.\-])([\w.\-]++)("?)[ \t]*+:(?!:)([ \t]*+)')
_CURL_USER = re.compile(r"(?<=\s)(?:-u|-U|--user|--proxy-user)(?:[ \t]++|=)?+(?=[^\s:]++:)")
_BEARER = re.compile(r"(?<!\w)(bearer[ \t]++)[\w.~+/=\-]{16,}", re.IGNORECASE)
_SHAPE = re.compile(
    r"(?<![\w\-])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|xox[abprs]-[\w\-]{10,}"
    r"|sk_live_\w{10,}|AKIA[0-9A-Z]{16}(?!\w)|eyJ[\w\-]{8,}+\.eyJ[\w\-]{8,}+\.[\w\-]{8,})"
)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(-----END |\Z)", re.DOTALL)

_SEPARATOR = re.compile(r"[=:\s]")
"""Without one of these nothing has a name; a secret can be told by its shape only."""

_QUOTE = re.compile(r"""\\*["']""")
_BARE_VALUE = re.compile(r"""[^\s"'\\]*+(?:\\++[^\s"'\\]++)*+""")

_PROGRAM_FLAGS = {"curl": ("-u", "-U", "--user", "--proxy-user"), "sshpass": ("-p",)}
"""Flags whose names say nothing, of programs that a build may run."""


def may_hold_secret(text: str) -> bool:
    """A quick look, at the speed of a substring search: False where `mask_text` would change nothing."""
    if "://" in text and "@" in text:
        return True
    lowered = text.lower()
    return any(stem in lowered for stem in _STEMS) or any(stem in lowered for stem in _SHAPE_STEMS)


@lru_cache(maxsize=4096)
def is_credential_name(name: str) -> bool:
    """Does a variable, flag, field or header of this name hold a credential? `apiKey` does, `tokenizer` does not."""
    if name == "PWD":
        return False
    segments = [segment.lower() for segment in _SEGMENT.findall(name)]
    while segments and segments[-1] in _TRAILERS:
        segments.pop()
    if not segments:
        return False
    last = segments[-1]
    if last in _WORDS or last.endswith(_COMPOUNDS + _COMPOUND_TOKENS):
        return True
    if last == "key" and len(segments) > 1:
        return segments[-2] in _KINDS_OF_KEY
    return "secret" in segments and last not in _ABOUT_A_SECRET


def mask_text(text: str) -> str:
    """`text` with every credential in it replaced by `***`."""
    return _masked(text) if may_hold_secret(text) else text


def _masked(text: str) -> str:
    if not _SEPARATOR.search(text):
        return _SHAPE.sub(MASK, text)
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(f"://{MASK}@", text)
    for spans in (_after_colons, _assigned, _after_flags, _after_curl):
        text = _replace(text, spans)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _SHAPE.sub(MASK, text)


def mask_element(element: str) -> str:
    """One argument, masked. As one word it may hold blanks and quotes: in `--password=a b` the value is `a b`."""
    if not may_hold_secret(element):
        return element
    start = len("-X=") if element.startswith("-X=") else 0
    name, equals, value = element[start:].partition("=")
    if "-prefix-map" in name:  # -ffile-prefix-map=/home/me/secret=/src names folders
        return _USERINFO.sub(f"://{MASK}@", element)
    if (
        equals
        and value
        and value[0] not in "=>"
        and not re.search(r"[\s\"']", name)
        and _names_credential(name.rpartition("/")[2])
    ):
        return f"{element[:start]}{name}={MASK}"
    return _masked(element)


def program_flags(argv: Sequence[str]) -> tuple[str, ...]:
    """Flags in front of a credential whose names do not say so, of the program that `argv` names."""
    return _PROGRAM_FLAGS.get(argv[0].rpartition("/")[2], ()) if argv else ()


def attached_secret(element: str, flags: Sequence[str]) -> str | None:
    """The flag in front of a credential that is stuck to it (`-ume:x`, `--user=me:x`), or None."""
    for flag in flags:
        head = f"{flag}=" if flag.startswith("--") else flag
        if element.startswith(head) and len(element) > len(head):
            return head
    return None


def is_credential_flag(flag: str) -> bool:
    """Is the word after this one a credential? -DTOKEN is a macro, -ltoken a library, -Ipasswd a folder."""
    name = flag.lstrip("-")
    if not name or name == flag or len(flag) - len(name) > 2:
        return False
    if not flag.startswith("--"):
        if name[0] in "DUILW":
            return False
        if name[0] == "l" and len(_SEGMENT.findall(name)) == 1:
            return False
    return "=" not in name and is_credential_name(name)


def _names_credential(name: str) -> bool:
    """A name as it stands in front of `=`: `--api-key`, `main.apiKey`, `-DAPI_KEY`."""
    field = name.lstrip("-").rpartition(".")[2]
    return is_credential_name(field) or (name.startswith("-D") and is_credential_name(field[1:]))


def _replace(text: str, spans: Callable[[str], Iterator[tuple[int, int]]]) -> str:
    parts, at = [], 0
    for start, end in spans(text):
        if start >= at and start < end:
            parts += [text[at:start], MASK]
            at = end
    return "".join([*parts, text[at:]])


def _assigned(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for found in _ASSIGNMENT.finditer(text):
        if found.start() >= done and _names_credential(found[1]):
            start, done = _value(text, found.start(), found.end())
            yield start, done


def _after_flags(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for found in _FLAG.finditer(text):
        if found.start() >= done and is_credential_flag(found[1]):
            start, done = _value(text, found.end(), found.end())
            yield start, done


def _after_curl(text: str) -> Iterator[tuple[int, int]]:
    if "curl" in text:
        for found in _CURL_USER.finditer(text):
            yield _value(text, found.end(), found.end())


def _after_colons(text: str) -> Iterator[tuple[int, int]]:
    """Header fields (with their whole line), JSON members, `password: x`; not the `token:` of a compiler's words."""
    done = 0
    for found in _COLON.finditer(text):
        name = found[1]
        if found.start() < done or not is_credential_name(name):
            continue
        lowered = name.lower()
        quoted = bool(found[2]) and text[found.start() - 1 : found.start()] == '"'
        start = found.end()
        if quoted:
            start, done = _value(text, start, start)
        elif lowered.endswith(("authorization", "cookie")):
            done = _line_end(text, found.start(), start)
        elif not found[2] and ("-" in name.strip("-") or (found[3] and lowered in _PLAIN_WORDS)):
            start, done = _value(text, found.start(), start)
        else:
            continue
        yield start, done


def _value(text: str, name_start: int, start: int) -> tuple[int, int]:
    """The span of a value at `start`: between its quotes, or up to the quote that is open around name and value, or up
    to a blank. A quote that is never closed reaches to the end."""
    if opening := _QUOTE.match(text, start):
        return opening.end(), _find(text, opening[0], opening.end())
    if name_start != start and text[name_start - 1 : name_start] in {'"', "'"}:
        return start, _find(text, text[name_start - 1], start)
    bare = _BARE_VALUE.match(text, start)
    return start, bare.end() if bare else start


def _line_end(text: str, name_start: int, start: int) -> int:
    end = _find(text, "\n", start)
    quote = text[name_start - 1 : name_start]
    return min(end, _find(text, quote, start)) if quote in {'"', "'"} else end


def _find(text: str, what: str, start: int) -> int:
    position = text.find(what, start)
    return len(text) if position < 0 else position
