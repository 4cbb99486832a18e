package deploy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLeave runs what lets an instance go, against a metadata service and an AWS
// CLI that only notes what it was asked.
func TestLeave(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	for name, tt := range map[string]struct {
		state string // empty: of no group
		says  string
		asks  string
	}{
		"chosen":   {"Terminated", "this instance may go", "autoscaling complete-lifecycle-action --region eu-west-1 --auto-scaling-group-name workers --lifecycle-hook-name drain --instance-id i-1 --lifecycle-action-result CONTINUE\n"},
		"stays":    {"InService", "this instance stays (InService)", ""},
		"no group": {"", "this instance stays (of no group)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
					_, _ = io.WriteString(w, "token")
				case r.Header.Get("X-aws-ec2-metadata-token") != "token":
					w.WriteHeader(http.StatusUnauthorized)
				case r.URL.Path == "/latest/meta-data/instance-id":
					_, _ = io.WriteString(w, "i-1")
				case r.URL.Path == "/latest/meta-data/autoscaling/target-lifecycle-state" && tt.state != "":
					_, _ = io.WriteString(w, tt.state)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer metadata.Close()
			folder := t.TempDir()
			asked := filepath.Join(folder, "asked")
			if err := os.WriteFile(filepath.Join(folder, "aws"), fmt.Appendf(nil, "#!/bin/sh\necho \"$@\" > %s\n", asked), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "ec2/leave.sh")
			cmd.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH"), "METADATA_URL=" + metadata.URL, "AWS_REGION=eu-west-1", "GROUP=workers", "HOOK=drain"}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.says) {
				t.Errorf("%v\n%s", err, out)
			}
			if got, _ := os.ReadFile(asked); string(got) != tt.asks { // absent: nobody was asked
				t.Errorf("asked %q, want %q", got, tt.asks)
			}
		})
	}
}

// TestUnit has systemd read the unit. What it starts is not here.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here: the unit is not looked at")
	}
	out, _ := exec.Command(analyze, "verify", "ec2/mosaicd.service").CombinedOutput() // it fails for what is not here
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("mosaicd.service")) && !bytes.Contains(line, []byte("is not executable")) {
			t.Errorf("%s", line)
		}
	}
}
