package main

import (
	"encoding/json"
	"fmt"
	"io"

	"9fans.net/go/plan9"
	"9fans.net/go/plan9/client"
)

const answerBytes = 8192

// newNineP knows mkdir, open, write, read, clunk and remove with the "path" of
// a directory or file, and a "text" to write; ls and stat; and drop, which
// breaks the connection. A file that was opened stays open until it is
// clunked. remove does not take the open file, it walks there of its own.
func newNineP(socket string) player {
	conn, err := client.Dial("unix", socket)
	if err != nil {
		fail(exitFailed, err)
	}
	root, err := conn.Attach(nil, "me", "")
	if err != nil {
		fail(exitFailed, err)
	}
	opened := map[string]*client.Fid{}

	return func(do string, fields json.RawMessage) (any, error) {
		var command struct {
			Path string `json:"path"`
			Text string `json:"text"`
		}
		read(fields, &command)

		switch do {
		case "mkdir":
			fid, err := root.Create(command.Path, plan9.OREAD, plan9.DMDIR|0o777)
			if err != nil {
				return nil, err
			}
			return nil, fid.Close()
		case "open":
			fid, err := root.Open(command.Path, plan9.ORDWR)
			if err != nil {
				return nil, err
			}
			opened[command.Path] = fid
			return nil, nil
		case "cat":
			fid, err := root.Open(command.Path, plan9.OREAD)
			if err != nil {
				return nil, err
			}
			defer fid.Close()
			text, err := io.ReadAll(fid)
			return string(text), err
		case "ls":
			return list(root, command.Path)
		case "stat":
			return root.Stat(command.Path)
		case "remove":
			return nil, root.Remove(command.Path)
		case "drop":
			return nil, conn.Close()
		}

		fid, ok := opened[command.Path]
		if !ok {
			return nil, fmt.Errorf("%s is not open", command.Path)
		}
		switch do {
		case "write":
			return fid.WriteAt([]byte(command.Text), 0)
		case "read":
			if _, err := fid.Seek(0, 0); err != nil {
				return nil, err
			}
			text := make([]byte, answerBytes)
			count, err := fid.Read(text)
			return string(text[:count]), err
		case "clunk":
			delete(opened, command.Path)
			return nil, fid.Close()
		default:
			return unknown(do)
		}
	}
}

func list(root *client.Fsys, path string) (any, error) {
	fid, err := root.Open(path, plan9.OREAD)
	if err != nil {
		return nil, err
	}
	defer fid.Close()
	dirs, err := fid.Dirreadall()
	names := []string{}
	for _, dir := range dirs {
		names = append(names, dir.Name)
	}
	return names, err
}
