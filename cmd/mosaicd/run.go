package main
type runCommand struct{}
func (runCommand) Run() error { return nil }
type sendCommand struct{}
func (sendCommand) Run() error { return nil }
type demoCommand struct{}
func (demoCommand) Run() error { return nil }
