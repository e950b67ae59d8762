package appstore

import (
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// unlimited is the label of access without end, which a request expresses by
// naming no length.
const unlimited = "Unlimited"

// maxLength is how long an access length is in a call, in characters.
const maxLength = 40

// offeredLengths returns the access lengths that a request for the app, or for
// the chosen permissions of it, may name: what all of them offer, in the order
// of the first. Empty means that there is no choice. ok is false if the
// permissions offer lengths but none in common: then no single request can be
// right, and one without a length would last forever.
func offeredLengths(s *wireSettings, chosen []wirePermission) (offered []string, ok bool) {
	if len(chosen) == 0 {
		return s.Provisioning.TimeBasedAccess, true
	}
	some := false
	for i := range chosen {
		lengths, own := chosen[i].lengths()
		if !own {
			lengths = s.Provisioning.TimeBasedAccess
		}
		some = some || len(lengths) > 0
		if i == 0 {
			offered = slices.Clone(lengths)
			continue
		}
		offered = slices.DeleteFunc(offered, func(label string) bool { return find(lengths, label) == "" })
	}
	return offered, len(offered) > 0 || !some
}

// chooseLength returns the label that a request names, or "" for none: the one
// asked for, else the preset one, else the only one. Every error is a *failure.
func chooseLength(offered []string, asked, preset string) (string, error) {
	switch {
	case asked != "" && len(offered) == 0:
		if sameLabel(asked, unlimited) {
			return "", nil
		}
		return "", fault.Invalid(codeLengthNotOffered, "This request has no choice of access length. Nothing was submitted. Call again without access_length.")
	case asked != "":
		if label := find(offered, asked); label != "" {
			return bounded(label), nil
		}
		return "", fault.Invalid(codeLengthNotOffered, "This access length is not offered. Nothing was submitted. Ask the user which of these to take and call again: %s.", listed(offered))
	case len(offered) == 0:
		return "", nil
	}
	if label := find(offered, preset); label != "" {
		return bounded(label), nil
	}
	if len(offered) == 1 {
		return bounded(offered[0]), nil
	}
	f := fault.Invalid(codeNeedLength, "An access length must be chosen. Nothing was submitted. Ask the user which of these to take and call again with access_length: %s.", listed(offered))
	f.Ask = askLength(offered)
	return "", f
}

// askLength asks for one of the lengths; nil if there are too many to show, or
// one that cannot be shown as it is.
func askLength(offered []string) *toolset.Ask {
	if len(offered) > maxOptions {
		return nil
	}
	ask := &toolset.Ask{Argument: "access_length", Text: "For how long is the access needed?"}
	for _, label := range offered {
		shown := result.Line(label, maxLength)
		if find(offered, shown) != label {
			return nil
		}
		ask.Options = append(ask.Options, toolset.Option{Value: shown, Title: shown})
	}
	return ask
}

// bounded returns how a chosen length is named in a request.
func bounded(label string) string {
	if sameLabel(label, unlimited) {
		return ""
	}
	return label
}

// find returns the label among labels that wanted means, or "".
func find(labels []string, wanted string) string {
	if wanted == "" {
		return ""
	}
	for _, label := range labels {
		if sameLabel(label, wanted) {
			return label
		}
	}
	return ""
}

// sameLabel compares labels as a person would: without case and extra space.
func sameLabel(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}
