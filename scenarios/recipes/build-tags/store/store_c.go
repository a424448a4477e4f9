//go:build cgo && !no_store

package store

// const char *open_store(void);
import "C"

// Open says which store this program was built with.
func Open() string { return C.GoString(C.open_store()) }
