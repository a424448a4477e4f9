package main

import "portable/profiler"

func main() {
	one, err := profiler.New()
	if err != nil {
		println(err.Error())
		return
	}
	println(one.Name())
}
