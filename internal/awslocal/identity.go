package awslocal

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Actions of IAM and STS that are served. Like those of SNS they come as a form to
// the root.
const (
	actionCallerIdentity = "GetCallerIdentity"
	actionGetRole        = "GetRole"
)

// An identity holds the roles of the account.
type identity struct {
	mu    sync.Mutex
	roles map[string]string // by name: the service that may take it on
}

// AddRole makes a role that a service, such as mediaconvert.amazonaws.com, may take
// on. Nothing here asks for it but GetRole: requests are never denied.
func (s *Server) AddRole(name, service string) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	if s.identity.roles == nil {
		s.identity.roles = make(map[string]string)
	}
	s.identity.roles[name] = service
}

func (i *identity) serve(w http.ResponseWriter, form url.Values) {
	if form.Get("Action") == actionCallerIdentity {
		type result struct{ Arn, UserId, Account string }
		writeXML(w, http.StatusOK, struct {
			XMLName xml.Name `xml:"GetCallerIdentityResponse"`
			Result  result   `xml:"GetCallerIdentityResult"`
		}{Result: result{"arn:aws:iam::" + AccountID + ":user/local", "AIDALOCAL", AccountID}})
		return
	}
	name := form.Get("RoleName")
	i.mu.Lock()
	service, there := i.roles[name]
	i.mu.Unlock()
	if !there {
		writeSNSError(w, &apiError{status: http.StatusNotFound, code: "NoSuchEntity",
			message: fmt.Sprintf("The role with name %s cannot be found.", name)})
		return
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
	type role struct{ RoleName, Arn, Path, RoleId, CreateDate, AssumeRolePolicyDocument string }
	writeXML(w, http.StatusOK, struct {
		XMLName xml.Name `xml:"GetRoleResponse"`
		Role    role     `xml:"GetRoleResult>Role"`
	}{Role: role{name, "arn:aws:iam::" + AccountID + ":role/" + name, "/", "AROA" + strings.ToUpper(name), "2026-01-01T00:00:00Z", url.QueryEscape(trust)}})
}
