"""A Go server to attach to, which calls the loader and fails as it is asked to; and clients that notice any failure."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.watching import wait_for

_SOURCE = """\
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
static int look(void) {
	void *handle = dlopen("libm.so.6", RTLD_NOW);
	int found = handle && dlsym(handle, "cos") && !dlsym(handle, "no_such_symbol");
	if (handle) dlclose(handle);
	return found;
}
static void call_null(void) {
	void *handle = dlopen("libm.so.6", RTLD_NOW);
	((void (*)(void))dlsym(handle, "SSL_library_init"))();
}
static void crash(void) { *(volatile int *)0x1234 = 1; }
*/
import "C"

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	http.HandleFunc("/dl", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, C.look()) })
	http.HandleFunc("/fail", func(w http.ResponseWriter, r *http.Request) {
		_, err := os.Open("/nonexistent/file")
		fmt.Fprint(w, err)
	})
	http.HandleFunc("/child", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, exec.Command("/bin/sh", "-c", "exit 7").Run())
	})
	http.HandleFunc("/null", func(w http.ResponseWriter, r *http.Request) { C.call_null() })
	http.HandleFunc("/crash", func(w http.ResponseWriter, r *http.Request) { C.crash() })
	http.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(50*time.Millisecond, func() { os.Exit(3) })
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
"""


def build(go: str, folder: Path) -> Path:
    """The server's program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("module example.org/server\n\ngo 1.21\n")
    (folder / "main.go").write_text(_SOURCE)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "GOENV": "off", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1"}
    subprocess.run([go, "build", "-o", "server", "."], cwd=folder, env=env, check=True)
    return folder / "server"


class Server:
    """One that runs; as a context manager it is ended."""

    def __init__(self, program: Path, *as_whom: str) -> None:
        self.process = subprocess.Popen(
            [*as_whom, program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def ask(self, path: str = "/", timeout: float = 60.0) -> str:
        """What it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Load:
    """Clients that ask all the time, as long as the context lasts; `failures` is what went wrong."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.answers, self.failures = 0, list[str]()
        self._server, self._over = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        while not self._over.is_set():
            path, expected = ("/dl", "1") if number == 0 else ("/", "hello")
            try:
                connection.request("GET", path)
                answer = connection.getresponse().read().decode()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
            if answer != expected:
                self.failures.append(answer)
            self.answers += 1
            if number == 0:
                time.sleep(0.005)

    def wait_for_more(self, number: int) -> None:
        """Until so many answers more have come, or one was wrong."""
        before = self.answers
        wait_for(lambda: self.answers >= before + number or self.failures)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
