// Package profiler has one kind of profiler for each system that has any.
//
// Every system builds this file, so it names nothing that only one of them has: a switch over runtime.GOOS would not
// help, all its branches have to compile everywhere. newForSystem is defined once in each of the files beside it.
package profiler

import "errors"

// ErrNone says that there is no profiler for this system.
var ErrNone = errors.New("no profiler for this system")

// A Profiler can be told apart by its name.
type Profiler interface {
	Name() string
}

// New returns the profiler of this system.
func New() (Profiler, error) { return newForSystem() }
