"""Masks: what is a secret, what only looks like one, and what of an event is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.masks import allowed_env, allowed_variable, mask_argv, mask_event, mask_text
from gotrace.events.model import Exec, Exit, Output, SyscallError

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
GITHUB = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"

TEXTS_WITH_SECRETS = {
    "https://me:hunter2@proxy.example/x": "https://***@proxy.example/x",
    "https://me:p@ss@proxy.example/x": "https://***@proxy.example/x",
    "https://me:p#ss?x@proxy.example": "https://***@proxy.example",
    f"https://{GITHUB}@github.com/a/b.git": "https://***@github.com/a/b.git",
    "redis://:hunter2@cache:6379/0": "redis://***@cache:6379/0",
    "get https://a:b@x/y, https://c:d@z": "get https://***@x/y, https://***@z",
    "--password=hunter2 go build": "--password=*** go build",
    "run --token abc123 ./x": "run --token *** ./x",
    "run -api-key abc123": "run -api-key ***",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG go build": "AWS_SECRET_ACCESS_KEY=*** go build",
    "SECRET_KEY_BASE=abc": "SECRET_KEY_BASE=***",
    "PGPASSWORD=abc psql": "PGPASSWORD=*** psql",
    "MYSQL_PWD='a b' mysql": "MYSQL_PWD='***' mysql",
    "-X main.apiKey=abc -X main.version=1.2": "-X main.apiKey=*** -X main.version=1.2",
    "-X 'main.apiKey=abc def' -s": "-X 'main.apiKey=***' -s",
    "-X example.com/cmd/internal.SignUpToken=abc": "-X example.com/cmd/internal.SignUpToken=***",
    '-DAPI_KEY=\\\\"abc\\\\" x.c': '-DAPI_KEY=\\\\"***\\\\" x.c',
    "?access_token=abc&x=1 HTTP": "?access_token=*** HTTP",
    "//registry.example/:_authToken=abc": "//registry.example/:_authToken=***",
    "redis://cache|bearer-token=abc": "redis://cache|bearer-token=***",
    "password=a\\\\b rest": "password=*** rest",
    "Authorization: Bearer abc.def\nHost: x": "Authorization: ***\nHost: x",
    "curl -H 'Authorization: token abc' https://x": "curl -H 'Authorization: ***' https://x",
    "PRIVATE-TOKEN:abc": "PRIVATE-TOKEN:***",
    "X-Api-Key: abc": "X-Api-Key: ***",
    "Cookie: a=b; c=d": "Cookie: ***",
    "password: hunter2": "password: ***",
    '{"client_secret": "abc", "id": 1}': '{"client_secret": "***", "id": 1}',
    "bearer 0123456789abcdef0123": "bearer ***",
    f"value {GITHUB} here": "value *** here",
    "glpat-abcdefghij0123456789": "***",
    f"jwt {JWT}": "jwt ***",
    "id AKIAIOSFODNN7EXAMPLE": "id ***",
    "sh -c 'curl -u me:pw https://x'": "sh -c 'curl -u *** https://x'",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": (
        "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"
    ),
    "-----BEGIN PRIVATE KEY-----\nMIIE": "-----BEGIN PRIVATE KEY-----***",
}

HARMLESS_TEXTS = [
    "",
    "/usr/local/go/src/go/token/token.go:12:3: undefined: Token",
    "-ltoken",
    "cannot find -lpassword: No such file or directory",
    "-I/usr/include/passwd",
    "git@github.com:me/x.git",
    "ssh://git@github.com/me/x.git",
    "https://proxy.example/github.com/me/x/@v/v1.0.0.zip",
    "go: github.com/me/passgen@v1.2.3: https://proxy.example/x: 404",
    "x.c:1:10: error: expected ';' before '}' token",
    "x.c:3: syntax error, unexpected token: INT",
    "x.c: In function 'get_auth_token':",
    "Error relocating ./x: get_token: symbol not found",
    "in function `api_token': undefined reference to `x'",
    "auth_token::verify",
    "token.go:3:5: x declared and not used",
    "passwd: files systemd",
    "PWD=/home/me",
    "-fstack-protector-strong -mbranch-protection=pac-ret+b-key",
    "-Rpass=inline -passes=mem2reg",
    "TOKEN_FILE=/run/secrets/token",
    "secretName=x",
    "-X main.keyboard=us -X main.version=1",
    "if token == nil { token => 3 }",
    "tokenizer=fast max_tokens=5",
    "bearer of bad news",
    "gcc_arm64.S:30: Error: no such instruction: `stp x29,x30,[sp,'",
    "a curl of smoke -u",
    "eyJustAName.of.things",
]


@pytest.mark.parametrize(("text", "masked"), TEXTS_WITH_SECRETS.items())
def test_a_secret_in_a_text_is_masked_and_nothing_else(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize("text", HARMLESS_TEXTS)
def test_a_harmless_text_stays(text: str) -> None:
    assert mask_text(text) == text
    assert mask_argv([text, text, "x"]) == (text, text, "x")


@pytest.mark.parametrize("text", [*TEXTS_WITH_SECRETS, *HARMLESS_TEXTS])
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


ARGVS_WITH_SECRETS = [
    (["go", "generate", "--token", "abc", "./..."], ("go", "generate", "--token", "***", "./...")),
    (["x", "-password", "abc"], ("x", "-password", "***")),
    (["x", "-loginToken", "abc"], ("x", "-loginToken", "***")),
    (["x", "--password", "-v", "y"], ("x", "--password", "-v", "y")),
    (["x", "--password", ""], ("x", "--password", "")),
    (["x", '--password=a b "c'], ("x", "--password=***")),
    (["link", "-X", "main.apiKey=a b"], ("link", "-X", "main.apiKey=***")),
    (["link", "-X=main.apiKey=a b"], ("link", "-X=main.apiKey=***")),
    (["link", "-X", "example.com/a.Token=abc"], ("link", "-X", "example.com/a.Token=***")),
    (["go", "build", "-ldflags=-s -X main.dbPass=abc -w"], ("go", "build", "-ldflags=-s -X main.dbPass=*** -w")),
    (["gcc", '-DAPI_KEY="a b"', "x.c"], ("gcc", "-DAPI_KEY=***", "x.c")),
    (["git", "clone", "https://me:pw@x/y"], ("git", "clone", "https://***@x/y")),
    (["git", "-c", "http.extraHeader=Authorization: Basic abc"], ("git", "-c", "http.extraHeader=Authorization: ***")),
    (["/usr/bin/curl", "-u", "me:pw", "https://x"], ("/usr/bin/curl", "-u", "***", "https://x")),
    (["curl", "-ume:pw", "--user=me:pw"], ("curl", "-u***", "--user=***")),
    (["sshpass", "-p", "pw", "ssh", "host"], ("sshpass", "-p", "***", "ssh", "host")),
    (["env", "GITHUB_TOKEN=abc", "go", "build"], ("env", "GITHUB_TOKEN=***", "go", "build")),
]


@pytest.mark.parametrize(("argv", "masked"), ARGVS_WITH_SECRETS)
def test_a_secret_in_arguments_is_masked(argv: list[str], masked: tuple[str, ...]) -> None:
    assert mask_argv(argv) == masked


HARMLESS_ARGVS = [
    ["compile", "-o", "x.a", "-p", "go/token", "-pack", "./token.go", "./position.go"],
    ["gcc", "-ltoken", "x.o", "-lpassword", "y.o", "-Ipasswd", "z.c"],
    ["gcc", "-DTOKEN", "x.c", "-UPASSWORD", "y.c", "-DNTOKENS=3"],
    ["gcc", "-ffile-prefix-map=/home/me/secret=/src", "-fdebug-prefix-map=/x/token=/y"],
    ["compile", "-trimpath", "/home/me/my-token=>secret"],
    ["docker", "run", "--user", "1000:1000"],
    ["docker", "login", "--password-stdin", "host"],
    ["go", "test", "-run", "Token", "./auth"],
    ["-token"],
    [],
]


@pytest.mark.parametrize("argv", HARMLESS_ARGVS)
def test_harmless_arguments_stay(argv: list[str]) -> None:
    assert mask_argv(argv) == tuple(argv)


@given(st.lists(st.text() | st.sampled_from(["--token", "-u", "curl", "x=y", "api_key=1", "https://a:b@c"])))
def test_the_number_of_arguments_never_changes(argv: list[str]) -> None:
    assert len(mask_argv(argv)) == len(argv)


@given(st.text(alphabet="ab-_.=:'\"\\@/ \n") | st.text())
def test_no_text_in_front_of_a_secret_hides_it(text: str) -> None:
    assert "hunter2" not in mask_text(f"{text}\n --token hunter2")


@pytest.mark.parametrize(
    "unit", ["a", "token", "token=", "token=\"", "://", "://a:", "-", "eyJ-", "eyJaaaaaaaa.", "password:", "--token ",
             "curl -u ", "-----BEGIN PRIVATE KEY-----", "token='", "\\\\", "bearer "]
)  # fmt: skip
def test_masking_is_linear_in_hostile_text(unit: str) -> None:
    # A megabyte takes a fraction of a second; quadratic work would run into the time limit of all tests.
    text = (unit * (1 << 20))[: 1 << 20] + "\n token=hunter2 https://@"
    assert "hunter2" not in mask_text(text)


@pytest.mark.parametrize(
    "name",
    ["GOOS", "GOFLAGS", "CGO_ENABLED", "CGO_CFLAGS_ALLOW", "CC", "CXX", "CC_FOR_linux_arm64", "CC_FOR_TARGET",
     "CC_linux_arm64", "CC_aarch64_linux_gnu", "PKG_CONFIG", "PKG_CONFIG_PATH", "PATH", "LC_ALL", "LANG", "PWD",
     "CCACHE_DIR", "COLLECT_GCC", "TOOLEXEC_IMPORTPATH", "LD_LIBRARY_PATH"],
)  # fmt: skip
def test_what_rules_need_of_the_environment_is_kept(name: str) -> None:
    assert allowed_env({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "name",
    ["GOOGLE_APPLICATION_CREDENTIALS", "GOAUTH", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "CC_TEST_REPORTER_ID",
     "MAKEFLAGS", "SSH_AUTH_SOCK", "GO_TOKEN", "DISPLAY", "", "PATHX"],
)  # fmt: skip
def test_everything_else_of_the_environment_is_dropped(name: str) -> None:
    assert not allowed_variable(name)
    assert allowed_env({name: "value"}) == {}


def test_values_of_kept_variables_are_masked() -> None:
    env = {
        "GOPROXY": "https://me:pw@proxy.example,direct",
        "GOFLAGS": "-ldflags=-X=main.token=abc",
        "CCACHE_PASSWORD": "abc",
        "PKG_CONFIG_TOKEN": "",
        "PATH": "/usr/bin:/home/me/token/bin",
    }
    assert allowed_env(env) == {
        "GOPROXY": "https://***@proxy.example,direct",
        "GOFLAGS": "-ldflags=-X=main.token=***",
        "CCACHE_PASSWORD": "***",
        "PKG_CONFIG_TOKEN": "",
        "PATH": "/usr/bin:/home/me/token/bin",
    }


def test_path_arguments_and_environment_of_an_exec_are_masked() -> None:
    event = Exec(
        ts_ns=1,
        pid=2,
        path="/x/token=abc",
        argv=("x", "--token", "abc"),
        env={"GOPROXY": "https://a:b@c", "GITHUB_TOKEN": "abc"},
        cwd="/home/me/token=abc",
        argv_bytes=99,
    )
    assert mask_event(event) == Exec(
        ts_ns=1,
        pid=2,
        path="/x/token=***",
        argv=("x", "--token", "***"),
        env={"GOPROXY": "https://***@c"},
        cwd="/home/me/token=abc",
        argv_bytes=99,
    )


def test_what_could_not_be_read_of_an_exec_stays_unknown() -> None:
    event = Exec(ts_ns=1, pid=2, path="/usr/bin/as", error=2)
    assert mask_event(event) is event


def test_the_text_of_an_output_is_masked() -> None:
    event = Output(ts_ns=1, pid=2, text="fetch https://a:b@c\n", truncated=True)
    assert mask_event(event) == Output(ts_ns=1, pid=2, text="fetch https://***@c\n", truncated=True)


@pytest.mark.parametrize(
    "event",
    [
        Exit(ts_ns=1, pid=2, status=1),
        SyscallError(ts_ns=1, pid=2, syscall="open", errno=2, paths=("/x/token=abc",)),
        Output(ts_ns=1, pid=2, text="plain"),
    ],
)
def test_other_events_are_not_touched(event: Exit | SyscallError | Output) -> None:
    assert mask_event(event) is event


def test_a_url_that_was_taken_for_a_path_is_masked() -> None:
    """`git clone https://user:password@host/x` asks stat(2) for such a folder before it takes it for a URL."""
    paths = ("https://user:pass@example.com/x/.git", "/x/token=abc")
    event = SyscallError(ts_ns=1, pid=2, syscall="rename", errno=2, paths=paths, ip=7)
    masked = ("https://***@example.com/x/.git", "/x/token=abc")
    assert mask_event(event) == SyscallError(ts_ns=1, pid=2, syscall="rename", errno=2, paths=masked, ip=7)
