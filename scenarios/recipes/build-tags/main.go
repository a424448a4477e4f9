package main

import "tags/store"

func main() { println(store.Open()) }
