// Goroutines that never yield, look for files and start programs, all at once; it says what came of it.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
)

const many, files = 64, 100

func main() {
	var missing, ended, others atomic.Int64
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			for range files {
				spin()
				if _, err := os.Stat("/nowhere/of-a-goroutine"); os.IsNotExist(err) {
					missing.Add(1)
				} else {
					others.Add(1)
				}
			}
			command := exec.Command("/bin/sh", "-c", "exit 3")
			if err, ok := command.Run().(*exec.ExitError); ok && err.ExitCode() == 3 {
				ended.Add(1)
			} else {
				others.Add(1)
			}
		})
	}
	group.Wait()
	fmt.Printf("%d goroutines: %d files missing, %d programs ended with %d, others %d\n",
		many, missing.Load(), ended.Load(), 3, others.Load())
}

//go:noinline
func spin() (sum int) {
	for i := range 200_000 {
		sum += i
	}
	return sum
}
