package deploy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestVariables: every variable that is set somewhere here is one that the daemon
// knows. A wrong one would be ignored without a word.
func TestVariables(t *testing.T) {
	t.Parallel()
	known := read(t, "../docs/configuration.md") // held against the flags by a test of its own
	files := []string{"../Dockerfile", "compose.yaml", "cloudformation.yaml", "ec2/cloudformation.yaml", "ec2/mosaicd.service"}
	found := 0
	for _, name := range files {
		for _, variable := range regexp.MustCompile(`MOSAICD_[A-Z0-9_]*[A-Z0-9]`).FindAllString(read(t, name), -1) {
			found++
			if !strings.Contains(known, "`"+variable+"`") {
				t.Errorf("%s sets %s, which is no setting", name, variable)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d variables were found", found)
	}
}

// TestDashboard: the dashboard is JSON, and shows metrics that somebody writes.
func TestDashboard(t *testing.T) {
	t.Parallel()
	template := read(t, "cloudformation.yaml")
	_, body, ok := strings.Cut(template, "DashboardBody: !Sub |\n")
	body, _, ended := strings.Cut(body, "\n\n")
	if !ok || !ended {
		t.Fatal("there is no dashboard")
	}
	body = regexp.MustCompile(`\$\{[^}]+\}`).ReplaceAllString(body, "x")
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil || len(dashboard.Widgets) < 6 {
		t.Fatalf("%d widgets, %v", len(dashboard.Widgets), err)
	}

	written := map[string]bool{}
	for _, m := range regexp.MustCompile(`add\("([A-Za-z]+)"`).FindAllStringSubmatch(read(t, "../cmd/mosaicd/metrics.go"), -1) {
		written[m[1]] = true
	}
	if !written["Steps"] || !written["Failures"] || !written["HeartbeatFailures"] {
		t.Fatalf("the daemon writes %v", written)
	}
	ours := regexp.MustCompile(`Namespace: !Ref "AWS::StackName", MetricName: ([A-Za-z]+)`).FindAllStringSubmatch(template, -1)
	ours = append(ours, regexp.MustCompile(`Namespace: !Ref "AWS::StackName"\n\s+MetricName: ([A-Za-z]+)`).FindAllStringSubmatch(template, -1)...)
	if len(ours) < 3 {
		t.Errorf("alarms of the daemon's metrics are %v", ours)
	}
	for _, m := range ours {
		if !written[m[1]] {
			t.Errorf("an alarm looks at %s, which the daemon does not write", m[1])
		}
	}
	for _, w := range dashboard.Widgets {
		metrics, _ := w.Properties["metrics"].([]any)
		namespace := ""
		for _, m := range metrics {
			row := m.([]any)
			if row[0] != "." {
				namespace = row[0].(string)
			}
			if name := row[1].(string); namespace == "x" && !written[name] {
				t.Errorf("the dashboard shows %s, which the daemon does not write", name)
			}
		}
	}
}
