// Command cgo-hello is a healthy cgo program: its own C code, and packages of the standard library that use cgo.
package main

/*
#include <math.h>
#cgo LDFLAGS: -lm

static double root(double x) { return sqrt(x); }
*/
import "C"

import (
	"fmt"
	"net"
	"os/user"
)

// stamp is set by the linker (-ldflags=-X=main.stamp=...).
var stamp = "unstamped"

func main() {
	who := "nobody"
	if current, err := user.Current(); err == nil {
		who = current.Username
	}
	addresses, _ := net.LookupHost("localhost")
	fmt.Println(stamp, who, addresses, float64(C.root(1764)))
}
