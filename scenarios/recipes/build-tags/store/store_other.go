//go:build !cgo || no_store

// The exact opposite of the line in store_c.go: one of the two files is built, whatever cgo and the tags are.

package store

// Open says which store this program was built with.
func Open() string { return "no store" }
