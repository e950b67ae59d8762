package caddymodule

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"
)

// steers is text by which strangers would move a cursor, hide what follows or
// begin a line of their own.
const steers = "a\x1b[2Jb\u009b31mc\u202ed\u200be\nf\tg\rh\x00i\u2028j\xffk"

func TestTextOfStrangersSteersNoTerminal(t *testing.T) {
	if got := shown(steers); got != "a?[2Jb?31mc?d?e?f?g?h?i?j?k" {
		t.Errorf("%q", got)
	}
	if got := shown("Zoë’s Agent 助手 {$HOME}"); got != "Zoë’s Agent 助手 {$HOME}" {
		t.Errorf("plain text was changed: %q", got)
	}
	j := rejectionRow{ID: "r", ClientName: steers, RedirectURIs: []string{steers}, Document: steers, Advice: steers, ClientIP: steers, Count: 2, Hopeless: steers}
	k := rejectionRow{ID: "r", Admit: &admitRow{Profile: "x", Client: "client x {\n\tredirect_uri " + steers + "\n}", Check: steers, Domains: []admitLine{{"d", steers}}}}
	var table bytes.Buffer
	if err := printClientRows(&table, []clientRow{{ID: steers, Name: steers, Profile: steers}}); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"a rejection": j.text(), "a remedy": k.text(), "the table": table.String()} {
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s holds %q", what, text[i:])
		}
	}
	if n := strings.Count(table.String(), "\n"); n != 2 {
		t.Errorf("%d lines in the table:\n%s", n, table.String())
	}
}

func TestJSONForATerminalIsASCIIAndSaysTheSame(t *testing.T) {
	want := []string{"\u009b31m", "\u202e", "助手", "\U0001f600", "\x7f", "<a&b>"}
	var out bytes.Buffer
	if err := printASCII(&out, want); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r > 0x7e || r < 0x20 && r != '\n' }); i >= 0 {
		t.Errorf("it holds %q", out.String()[i:])
	}
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTableOfRegistrationsHasALineForEachClient(t *testing.T) {
	at := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	var out bytes.Buffer
	err := printClientRows(&out, []clientRow{
		{ID: "lmcl_k1.x", Kind: "registration", Profile: "claude", Name: "Claude", CreatedAt: at, FirstApproved: &at, LastApproved: &at, LiveGrants: 3},
		{ID: "https://claude.ai/c", Kind: "document", Profile: "claude-code", Name: "Claude Code", CreatedAt: at},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `PROFILE      NAME         KIND          GRANTS  CREATED           FIRST APPROVED    LAST APPROVED     ID
claude       Claude       registration  3       2026-11-02 09:30  2026-11-02 09:30  2026-11-02 09:30  lmcl_k1.x
claude-code  Claude Code  document      0       2026-11-02 09:30  -                 -                 https://claude.ai/c
`
	if diff := gocmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestARejectionWithoutADomainThatIsOnSaysSo(t *testing.T) {
	j := rejectionRow{ID: "r", Admit: &admitRow{Profile: "zed"}}
	if text := j.text(); !strings.Contains(text, "turn on the domain") || !strings.Contains(text, "zed") {
		t.Error(text)
	}
}
