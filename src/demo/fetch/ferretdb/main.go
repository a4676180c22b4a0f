// FerretDB as a program of its own: the project's own command needs files that its Go module does
// not carry.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/FerretDB/FerretDB/v2/ferretdb"
)

func main() {
	address := flag.String("address", "", "where to listen, as host:port")
	storage := flag.String("storage", "", "URL of a PostgreSQL that has the extension documentdb")
	folder := flag.String("folder", "", "folder for what the server remembers")
	pidFile := flag.String("pid", "", "file to write the process id to")
	flag.Parse()
	if err := serve(*address, *storage, *folder, *pidFile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, storage, folder, pidFile string) error {
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := os.WriteFile(pidFile, []byte(pid), 0o600); err != nil {
		return err
	}
	silent := false
	server, err := ferretdb.New(&ferretdb.Config{
		PostgreSQLURL: storage,
		ListenAddr:    address,
		StateDir:      folder,
		LogLevel:      slog.LevelWarn,
		LogOutput:     os.Stderr,
		Telemetry:     &silent,
	})
	if err != nil {
		return err
	}
	ended, stop := signal.NotifyContext(
		context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT,
	)
	defer stop()
	server.Run(ended)
	return os.Remove(pidFile)
}
