package main

/*
#cgo LDFLAGS: -lm
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static void *same(void *given) { return given; }

static int answer(double x) {
	pthread_t thread;
	if (pthread_create(&thread, 0, same, 0) != 0 || pthread_join(thread, 0) != 0)
		return -1;
	return (int)(pow(x, 2) + strtol("6", 0, 10));
}
*/
import "C"

func main() { println(C.answer(6)) }
