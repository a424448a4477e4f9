// Calls a function of a library by its name, though the library has it no more.
package main

/*
#cgo LDFLAGS: -ldl
#cgo CFLAGS: -g -O2
#include <dlfcn.h>

static void *find(void *library, const char *name) { return dlsym(library, name); }

__attribute__((noinline)) static int inner(void *function) { return ((int (*)(void))function)() + 1; }

__attribute__((noinline)) static int call_it(void *function) { return inner(function) + 1; }
*/
import "C"

import (
	"fmt"
	"unsafe"
)

func main() {
	library := C.dlopen(C.CString("libssl.so.3"), C.RTLD_LAZY)
	gone := C.find(library, C.CString("SSL_library_init"))
	there := C.find(library, C.CString("SSL_new"))
	fmt.Println(library != nil, gone == nil, there != nil)
	level1(gone)
}

//go:noinline
func level1(function unsafe.Pointer) { level2(function) }

//go:noinline
func level2(function unsafe.Pointer) { fmt.Println(C.call_it(function)) }
