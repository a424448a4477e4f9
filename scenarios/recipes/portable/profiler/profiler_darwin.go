package profiler

// dtrace runs dtrace(1).
type dtrace struct{}

func newForSystem() (Profiler, error) { return dtrace{}, nil }

func (dtrace) Name() string { return "dtrace" }
