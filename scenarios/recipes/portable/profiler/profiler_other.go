//go:build !linux && !darwin

package profiler

func newForSystem() (Profiler, error) { return nil, ErrNone }
