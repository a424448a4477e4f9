// Dereferences nil fifty times, and recovers.
package main

func try(p *int) (ok bool) {
	defer func() { ok = recover() != nil }()
	return *p == 1
}

func main() {
	for i := 0; i < 50; i++ {
		if !try(nil) {
			panic("not caught")
		}
	}
}
