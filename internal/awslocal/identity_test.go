package awslocal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mosaicd/mosaicd/internal/awslocal"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	s, err := awslocal.Start(t.Context(), awslocal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	who, err := sts.NewFromConfig(s.AWSConfig()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(who.Account) != awslocal.AccountID {
		t.Errorf("account is %q, %v", aws.ToString(who.Account), err)
	}
	roles := iam.NewFromConfig(s.AWSConfig())
	if _, err := roles.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("transcode")}); !errors.As(err, new(*iamtypes.NoSuchEntityException)) {
		t.Errorf("error is %v", err)
	}
	s.AddRole("transcode", "mediaconvert.amazonaws.com")
	role, err := roles.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("transcode")})
	if err != nil || !strings.Contains(aws.ToString(role.Role.AssumeRolePolicyDocument), "mediaconvert.amazonaws.com") {
		t.Errorf("role is %+v, %v", role, err)
	}
}

func TestTopicAttributes(t *testing.T) {
	t.Parallel()
	s, err := awslocal.Start(t.Context(), awslocal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	topics := sns.NewFromConfig(s.AWSConfig())
	made, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("results")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := topics.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: made.TopicArn})
	if err != nil || got.Attributes["SubscriptionsConfirmed"] != "0" {
		t.Errorf("attributes are %v, %v", got, err)
	}
	if _, err := topics.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: aws.String(aws.ToString(made.TopicArn) + "2")}); !errors.As(err, new(*snstypes.NotFoundException)) {
		t.Errorf("error is %v", err)
	}
}
