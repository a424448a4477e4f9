// Command cross-cgo calls one C function. Built with GOARCH=arm64 CGO_ENABLED=1 on an amd64 machine, the go command
// takes the machine's own gcc, which cannot assemble arm64 code.
package main

/*
#include <stdio.h>

static int add(int a, int b) { return a + b; }
*/
import "C"

import (
	"fmt"
	"runtime"
)

func main() {
	fmt.Println(runtime.GOARCH, C.add(20, 22))
}
