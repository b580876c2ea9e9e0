// micro.go: the questions of ../questions.lua, answered by Go with goroutines on one thread.
package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpu() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func printCost(count int, work func()) {
	runtime.GC()
	start := cpu()
	work()
	fmt.Printf("cpu_ns %.3f\n", float64(cpu()-start)/float64(count))
}

func residentBytes() float64 {
	runtime.GC()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	if err != nil {
		panic(err)
	}
	return float64(pages * os.Getpagesize())
}

func yieldAmong(goroutines, count int) {
	var begun, all sync.WaitGroup
	begun.Add(goroutines)
	all.Add(goroutines)
	start := make(chan struct{})
	for i := 0; i < goroutines; i++ {
		go func() {
			begun.Done()
			<-start
			for j := 0; j < count/goroutines; j++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	begun.Wait()
	printCost(count, func() {
		close(start)
		all.Wait()
	})
}

func spawnJoin(count int) {
	printCost(count, func() {
		for i := 0; i < count; i++ {
			var ended sync.WaitGroup
			ended.Add(1)
			go ended.Done()
			ended.Wait()
		}
	})
}

func channel(count int) {
	there, back := make(chan int, 1), make(chan int, 1)
	printCost(count, func() {
		go func() {
			for i := 0; i < count; i++ {
				back <- <-there
			}
		}()
		for i := 0; i < count; i++ {
			there <- i
			<-back
		}
	})
}

// A condition variable needs the mutex, so the two never miss each other's signal.
func cond(count int) {
	var mutex sync.Mutex
	there, back := sync.NewCond(&mutex), sync.NewCond(&mutex)
	mutex.Lock()
	printCost(count, func() {
		go func() {
			mutex.Lock()
			for i := 0; i < count; i++ {
				back.Signal()
				there.Wait()
			}
			mutex.Unlock()
		}()
		for i := 0; i < count; i++ {
			back.Wait()
			there.Signal()
		}
	})
}

func sleepers(count int) {
	late := make([]float64, count)
	var all sync.WaitGroup
	all.Add(count)
	start := cpu()
	first := time.Now().Add(100*time.Millisecond + time.Duration(count)*30*time.Microsecond)
	for i := range late {
		due := first.Add(time.Duration(rand.Int63n(int64(time.Second))))
		go func(late *float64) {
			time.Sleep(time.Until(due))
			*late = math.Abs(time.Since(due).Seconds()) // too early is as wrong as too late
			all.Done()
		}(&late[i])
	}
	all.Wait()
	used := cpu() - start
	sort.Float64s(late)
	fmt.Printf("cpu_us %.4f\n", used.Seconds()*1e6/float64(count))
	fmt.Printf("off_p99_ms %.4f\n", late[count*99/100]*1e3)
}

func park(count int) {
	wake := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() { <-wake }()
	}
	runtime.Gosched()
}

func parked(count int) {
	before := residentBytes()
	park(count)
	fmt.Printf("resident_bytes %.1f\n", (residentBytes()-before)/float64(count))
}

// What the program stands still for in a collection, all its pauses together: most of Go's
// collector runs beside the program.
func gc(count int) {
	park(count)
	var pauses []float64
	var stats debug.GCStats
	for i := 0; i < 9; i++ {
		debug.ReadGCStats(&stats)
		before := stats.PauseTotal
		runtime.GC()
		debug.ReadGCStats(&stats)
		pauses = append(pauses, float64(stats.PauseTotal-before)/1e6)
	}
	sort.Float64s(pauses)
	fmt.Printf("pause_ms %.4f\n", pauses[4])
}

func main() {
	runtime.GOMAXPROCS(1)
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	map[string]func(int){
		"yield2":     func(count int) { yieldAmong(2, count) },
		"yield10000": func(count int) { yieldAmong(10000, count) },
		"spawn_join": spawnJoin,
		"channel":    channel,
		"cond":       cond,
		"sleepers":   sleepers,
		"parked":     parked,
		"gc":         gc,
	}[os.Args[1]](count)
}
