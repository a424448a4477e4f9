//go:build !no_store

// Without the line above, a build with -tags no_store and with cgo is refused: "C source files not allowed when not
// using cgo". Where cgo is off, Go passes over C files by itself.

const char *open_store(void) { return "the store in C"; }
