module example.com/cross-cgo

go 1.21
