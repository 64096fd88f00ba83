package main

import (
	"fmt"
	"net/rpc"
	"sync"
	"time"
)

// line is one finished call on stdout.
type line struct {
	Step   int     `json:"step"`
	Round  int     `json:"round"` // 0 up to the step's repeat − 1
	On     int     `json:"on"`
	Method string  `json:"method"`
	Result any     `json:"result,omitempty"`
	Error  string  `json:"error,omitempty"`
	Ms     float64 `json:"ms"`
}

func run(address string, todo script, print func(any) error) error {
	clients := make([]*rpc.Client, todo.Connections)
	for i := range clients {
		client, err := rpc.DialHTTP("tcp", address)
		if err != nil {
			return fmt.Errorf("cannot connect to the plugin: %w", err)
		}
		defer client.Close()
		clients[i] = client
	}

	var (
		pending sync.WaitGroup
		lock    sync.Mutex
		first   error // of print
	)
	finish := func(done line, reply any, call *rpc.Call, sent time.Time) {
		done.Ms = float64(time.Since(sent).Microseconds()) / 1000
		if call.Error != nil {
			done.Error = call.Error.Error()
		} else {
			done.Result = printable(reply)
		}
		lock.Lock()
		defer lock.Unlock()
		if err := print(done); err != nil && first == nil {
			first = fmt.Errorf("cannot print a result: %w", err)
		}
	}

	for i, step := range todo.Steps {
		switch {
		case step.SleepMs > 0:
			time.Sleep(time.Duration(step.SleepMs) * time.Millisecond)
			continue
		case step.Close:
			if err := clients[step.On].Close(); err != nil {
				return fmt.Errorf("cannot close connection %d: %w", step.On, err)
			}
			continue
		}
		for round := range step.Repeat {
			argument, err := step.Argument.build()
			if err != nil {
				return fmt.Errorf("cannot build the argument of step %d: %w", i, err)
			}
			reply, err := newReply(step.Reply, step.Method)
			if err != nil {
				return fmt.Errorf("cannot expect a reply in step %d: %w", i, err)
			}

			sent := time.Now()
			call := clients[step.On].Go(step.Method, argument, reply, make(chan *rpc.Call, 1))
			done := line{Step: i, Round: round, On: step.On, Method: step.Method}
			if !todo.Together {
				finish(done, reply, <-call.Done, sent)
				continue
			}
			pending.Add(1)
			go func() {
				defer pending.Done()
				finish(done, reply, <-call.Done, sent)
			}()
		}
	}
	pending.Wait()
	return first
}
