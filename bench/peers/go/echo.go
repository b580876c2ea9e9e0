// echo.go: sends back what arrives, one goroutine for each connection. It prints `port N`.
package main

import (
	"fmt"
	"log"
	"net"
	"runtime"
)

func serve(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 16*1024)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client)
	}
}
