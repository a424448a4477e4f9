"""The file that `gotrace scenario new` writes: a scenario that loads, with every key that one may have."""

from __future__ import annotations

import re
from pathlib import Path

from gotrace.errors import UsageError

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_TEMPLATE = r"""# A scenario: a failure that is reproduced, diagnosed first, fixed and proved.
# Such a file is code: it runs commands as you.
#
#   gotrace scenario run ./@ID@.toml --trust      perform it, with gotrace's report of each act
#   gotrace scenario verify ./@ID@.toml --trust   the same in one line
#
# Its name is its id. In gotrace's own scenarios/ it needs no --trust. A folder with a scenario.toml is a scenario too:
# whatever else lies in the folder is copied to each act.

title = "One line: what goes wrong, and where"
rule = "missing-header"  # the finding that has to come first; leave it out for a build that is healthy
tags = ["example"]
# seed = ["https://..."]  # the public report it was shrunk from
requires = ["go", "gcc"]  # commands, or absolute paths of files; without them it is skipped
environment = "host"  # where all acts run; an act may have its own, also as a table:
# environment = { kind = "mount", hide = ["/usr/include/zlib.h"] }
# Packages, in an overlay of which nothing stays: { kind = "overlay", remove = ["zlib1g-dev"] }, and in a fix
# install = ["zlib1g-dev"] as well, or install = "printed" for the command that gotrace printed. It takes root.
# copy = "recipes/static"  # a folder beside this file: each act has its files, and those below

text = '''
What happens and why, in Markdown. Literal strings hold Go and C as they are.
'''

# What somebody says about it, and what this scenario measures of it: true, partly or false.
# [claim]
# source = "https://..."
# text = "The words as they stand there."
# verdict = "false"
# measured = "What was found, in a sentence or two."

# Files of each act's folder, which is fresh. A go.mod is made where none is given.
[files]
"main.go" = '''
package main

// #include <no-such-header.h>
import "C"

func main() {}
'''

[reproduce]
command = ["go", "build", "-o", "app", "."]
env = { CGO_ENABLED = "1" }  # $WORK in a value is the act's folder
unset = ["CC"]
# setup = ["mkdir -p sub"]  # lines of shell before the command, not watched
# after = ["./app"]         # and after it; they must succeed
exit = 1  # or signal = "SIGKILL"
output = ['no-such-header\.h: No such file']  # regular expressions, all searched for in what is printed
# not_output = ["panic"]
# findings = ["missing-header"]  # all root causes in their order; without it, the rule alone
message = ['no-such-header\.h']  # searched for in the first finding's message
source = 'main\.go:3:13: #include'  # and in FILE:LINE:COLUMN: TEXT of the line that asked for what failed
# How often an event has to be seen (min is 1 without it, max without end); the fields are regular expressions:
# path, argv, paths, syscall, errno, text, status, signal.
events = [{ kind = "exec", path = '/cc1$', min = 1 }]

# One or more; each starts anew, and has to end with exit status 0 and without a finding.
[[fix]]
title = "What is done about it"
# printed = "CC="  # in place of a command: the one that gotrace printed in the reproduction, with this in it
setup = ["touch no-such-header.h"]
command = ["go", "build", "-o", "app", "."]
env = { CGO_ENABLED = "1", CGO_CFLAGS = "-I$WORK" }
after = ["./app"]
"""


def write(name: str, folder: Path) -> Path:
    """Write it, never over a file that is there.

    Raises:
        UsageError: not an id, or it cannot be written there.
    """
    if not _ID.fullmatch(name):
        raise UsageError(f"{name!r}: an id is made of lower-case words and hyphens", "for example: missing-header")
    path = folder / f"{name}.toml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text_for(name))
    except FileExistsError:
        raise UsageError(f"{path}: is there already", "choose another id, or another --folder") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", "name another --folder") from None
    return path


def text_for(name: str) -> str:
    """The template with the id in it."""
    return _TEMPLATE.replace("@ID@", name)
