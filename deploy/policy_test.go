// Package deploy_test holds what an operator applies against what the code does.
package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// services are the SDK's packages of which each XInput in the code is a call of X.
var services = []string{"s3", "sqs", "sns", "mediaconvert", "rekognition", "iam", "sts", "transfermanager"}

// actions are the IAM actions of calls that are not called like them, or of more than one.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
var actions = map[string][]string{
	"s3:HeadObject":                  {"s3:GetObject", "s3:GetObjectVersion"},
	"s3:DeleteObject":                {"s3:DeleteObject", "s3:DeleteObjectVersion"},
	"s3:GetObjectTagging":            {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
	"s3:PutObjectTagging":            {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
	"s3:GetObject":                   {"s3:GetObject", "s3:GetObjectVersion"},
	"s3:ListObjectsV2":               {"s3:ListBucket"},
	"s3:CopyObject":                  {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:GetObjectTagging", "s3:PutObjectTagging"},
	"transfermanager:UploadObject":   {"s3:PutObject", "s3:AbortMultipartUpload"},
	"transfermanager:DownloadObject": {"s3:GetObject", "s3:GetObjectVersion"},
	"rekognition:StartFaceDetection": {"rekognition:StartFaceDetection", "iam:PassRole"},
	"rekognition:StartFaceSearch":    {"rekognition:StartFaceSearch", "iam:PassRole"},
	"mediaconvert:CreateJob":         {"mediaconvert:CreateJob", "iam:PassRole"},
	"sts:GetCallerIdentity":          {}, // allowed to everybody
}

// besides are calls that are not made through the SDK: the agent of ECS makes them
// in the task's name when it is asked for scale-in protection.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
var besides = []string{"ecs:UpdateTaskProtection", "ecs:GetTaskProtection"}

// withKey are what SQS, SNS and S3 do in the caller's name with a key of the operator's.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
var withKey = []string{"kms:Decrypt", "kms:GenerateDataKey"}

// byPeople are the commands that people run with their own credentials and another
// policy, which TestOperatorPolicy of cmd/mosaicd tries out. The daemon is everything
// else, and the doctor, which looks with the daemon's eyes.
var byPeople = map[string]bool{
	"cmd/mosaicd/dlq.go": true, "cmd/mosaicd/send.go": true, "cmd/mosaicd/status.go": true, "cmd/mosaicd/wait.go": true, "cmd/mosaicd/faces.go": true,
}

// notDeployed are those that nobody runs against AWS.
var notDeployed = []string{"cmd/mosaicd-demo", "internal/awslocal", "internal/likeness", "internal/sample", "internal/corpus", "bench", "deploy"}

// calls are the SDK calls in the daemon's code.
func calls(t *testing.T) map[string]bool {
	t.Helper()
	daemon := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, "../")
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(notDeployed, func(n string) bool { return name == n || strings.HasPrefix(name, n+"/") }):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || byPeople[name]:
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			made, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			selector, ok := made.Type.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := selector.X.(*ast.Ident)
			if ok && slices.Contains(services, of.Name) {
				if call, isInput := strings.CutSuffix(selector.Sel.Name, "Input"); isInput {
					daemon[of.Name+":"+call] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return daemon
}

// needed are the actions of calls.
func needed(calls map[string]bool) map[string]bool {
	all := map[string]bool{}
	for call := range calls {
		of, special := actions[call]
		if !special {
			of = []string{call}
		}
		for _, action := range of {
			all[action] = true
		}
	}
	return all
}

// A statement is one of a policy. What the conditions of the template leave out is
// here, too: it is granted where somebody wants it.
type statement struct {
	Action    any
	Resource  any
	Condition map[string]any
}

// statements are those of a policy in a template.
func statements(t *testing.T, file, resource string) []statement {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// As maps: the decoder passes the template's tags (!Sub, !If) by there, and not in structs.
	var template map[string]any
	if err := yaml.Unmarshal(body, &template); err != nil {
		t.Fatal(err)
	}
	node := any(template)
	for _, name := range []string{"Resources", resource, "Properties", "PolicyDocument", "Statement"} {
		inner, _ := node.(map[string]any)
		node = inner[name]
	}
	var all []statement
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any: // !If: the condition's name, and what is there with and without it
			for _, one := range v {
				collect(one)
			}
		case map[string]any:
			condition, _ := v["Condition"].(map[string]any)
			all = append(all, statement{v["Action"], v["Resource"], condition})
		}
	}
	collect(node)
	if len(all) == 0 {
		t.Fatalf("%s: %s has no statements", file, resource)
	}
	return all
}

func (s statement) actions() []string {
	var all []string
	switch a := s.Action.(type) {
	case string:
		all = append(all, a)
	case []any:
		for _, one := range a {
			all = append(all, one.(string))
		}
	}
	return all
}

func compare(t *testing.T, policy string, all []statement, needed map[string]bool) {
	t.Helper()
	granted := map[string]bool{}
	for _, s := range all {
		for _, action := range s.actions() {
			granted[action] = true
			if strings.Contains(action, "*") {
				t.Errorf("%s grants %s, which is more than anything calls", policy, action)
			}
			if action == "iam:PassRole" && s.Condition == nil {
				t.Errorf("%s lets roles be passed to anybody", policy)
			}
		}
	}
	for _, action := range slices.Sorted(maps.Keys(needed)) {
		if !granted[action] {
			t.Errorf("%s does not grant %s, which the code calls", policy, action)
		}
	}
	for _, action := range slices.Sorted(maps.Keys(granted)) {
		if !needed[action] {
			t.Errorf("%s grants %s, which nothing in the code calls", policy, action)
		}
	}
}

// TestDaemonPolicy holds the policy against the SDK calls that the code makes.
func TestDaemonPolicy(t *testing.T) {
	t.Parallel()
	daemon := calls(t)
	if len(daemon) < 20 {
		t.Fatalf("the calls were not found: %v", daemon)
	}
	byDaemon := needed(daemon)
	for _, action := range slices.Concat(besides, withKey) {
		byDaemon[action] = true
	}
	compare(t, "DaemonPolicy", statements(t, "cloudformation.yaml", "DaemonPolicy"), byDaemon)
}

// TestTemplates has cfn-lint look at the templates.
func TestTemplates(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not here: the templates are not looked at")
	}
	templates, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("ec2/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	templates = slices.DeleteFunc(append(templates, more...), func(name string) bool { return name == "compose.yaml" })
	if out, err := exec.Command(lint, templates...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", templates, err, out)
	}
}

// TestNoAliases: CloudFormation reads YAML without aliases and merges, which cfn-lint
// takes.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
func TestNoAliases(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cloudformation.yaml", "ec2/cloudformation.yaml"} {
		if found := regexp.MustCompile(`(?m)^[^#"']*[:-] [&*][A-Za-z]\S*`).FindAllString(read(t, name), -1); found != nil {
			t.Errorf("%s: %q", name, found)
		}
	}
}
