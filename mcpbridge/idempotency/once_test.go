package idempotency_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/idempotency"
)

var sentAt = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// book is a ledger of one write. before, when not nil, is told of each step and
// may fail it.
type book struct {
	mu     sync.Mutex
	write  *mcpbridge.Write
	steps  []string
	before func(step string) error
}

func (b *book) step(name string) error {
	b.steps = append(b.steps, name)
	if b.before != nil {
		return b.before(name)
	}
	return nil
}

func (b *book) Find(context.Context, mcpbridge.WriteID) (mcpbridge.Write, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.step("find"); err != nil || b.write == nil {
		return mcpbridge.Write{}, false, err
	}
	return *b.write, true, nil
}

func (b *book) Begin(_ context.Context, _ mcpbridge.WriteID, digest [32]byte) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.step("begin"); err != nil || b.write != nil {
		return false, err
	}
	b.write = &mcpbridge.Write{Digest: digest, SentAt: sentAt}
	return true, nil
}

func (b *book) Answer(_ context.Context, _ mcpbridge.WriteID, answer []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.step("answer"); err != nil {
		return err
	}
	b.write.Answer = answer
	return nil
}

func (b *book) Forget(context.Context, mcpbridge.WriteID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.step("forget")
	if err == nil {
		b.write = nil
	}
	return err
}

// made is a write that is sent and comes to an outcome.
func (b *book) made(out idempotency.Outcome) *idempotency.Write {
	return &idempotency.Write{
		ID: mcpbridge.WriteID{GrantID: "g", Tool: "t", Key: "k"}, Digest: [32]byte{1},
		Run: func(begin func() error) idempotency.Outcome {
			if err := begin(); err != nil {
				return idempotency.Outcome{Cause: err}
			}
			b.steps = append(b.steps, "send")
			return out
		},
		Find: func(sent time.Time) idempotency.Outcome {
			b.steps = append(b.steps, "find out")
			if !sent.Equal(sentAt) {
				return idempotency.Outcome{}
			}
			return idempotency.Outcome{Answer: []byte("found"), Fate: idempotency.Settled}
		},
	}
}

func do(t *testing.T, b *book, w *idempotency.Write) (string, bool, error) {
	t.Helper()
	once := idempotency.New(b, new(keylock.Locks), slog.New(slog.DiscardHandler))
	answer, replayed, err := once.Do(t.Context(), w, time.Second, time.Second)
	return string(answer), replayed, err
}

func TestAWriteIsRememberedThenSentThenAnswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		out   idempotency.Outcome
		steps string
	}{
		"settled":          {idempotency.Outcome{Answer: []byte("a"), Fate: idempotency.Settled}, "find begin send answer"},
		"unknown":          {idempotency.Outcome{Answer: []byte("a"), Fate: idempotency.Unknown}, "find begin send"},
		"not made":         {idempotency.Outcome{Answer: []byte("a"), Fate: idempotency.NotMade}, "find begin send forget"},
		"too long to keep": {idempotency.Outcome{Answer: make([]byte, idempotency.MaxAnswer+1), Fate: idempotency.Settled}, "find begin send"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := new(book)
			answer, replayed, err := do(t, b, b.made(tc.out))
			if err != nil || replayed || answer != string(tc.out.Answer) || strings.Join(b.steps, " ") != tc.steps {
				t.Errorf("%q, %t, %v after %v", answer, replayed, err, b.steps)
			}
		})
	}
}

func TestWhatWasFoundToBeThereIsTheAnswerOfTheKey(t *testing.T) {
	t.Parallel()
	b := new(book)
	w := b.made(idempotency.Outcome{})
	w.Run = func(func() error) idempotency.Outcome {
		return idempotency.Outcome{Answer: []byte("there"), Fate: idempotency.Settled}
	}
	if answer, _, err := do(t, b, w); err != nil || answer != "there" || strings.Join(b.steps, " ") != "find begin answer" {
		t.Errorf("%q, %v after %v", answer, err, b.steps)
	}
}

func TestAWriteThatCannotBeRememberedIsNotSent(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"find", "begin"} {
		b := &book{before: func(s string) error {
			if s == step {
				return errors.New("disk full")
			}
			return nil
		}}
		_, _, err := do(t, b, b.made(idempotency.Outcome{Fate: idempotency.Settled}))
		if !errors.Is(err, idempotency.ErrUnavailable) || strings.Contains(strings.Join(b.steps, " "), "send") {
			t.Errorf("%s fails: %v after %v", step, err, b.steps)
		}
	}
}

// TestAnotherProcessThatWasFasterIsFoundOutAbout: between looking and beginning
// another node may begin the same write.
func TestAnotherProcessThatWasFasterIsFoundOutAbout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		other mcpbridge.Write
		want  string
		err   error
	}{
		"it has answered":       {mcpbridge.Write{Digest: [32]byte{1}, Answer: []byte("theirs")}, "theirs", nil},
		"it has not answered":   {mcpbridge.Write{Digest: [32]byte{1}, SentAt: sentAt}, "found", nil},
		"it is of another wish": {mcpbridge.Write{Digest: [32]byte{2}}, "", idempotency.ErrReused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := new(book)
			b.before = func(step string) error {
				if step == "begin" {
					b.write = &tc.other
				}
				return nil
			}
			answer, replayed, err := do(t, b, b.made(idempotency.Outcome{Fate: idempotency.Settled}))
			if answer != tc.want || !errors.Is(err, tc.err) || replayed != (tc.err == nil) || strings.Contains(strings.Join(b.steps, " "), "send") {
				t.Errorf("%q, %t, %v after %v", answer, replayed, err, b.steps)
			}
		})
	}
}

func TestAPanicLeavesTheKeyTakenAndFreeOfItsWaiters(t *testing.T) {
	t.Parallel()
	b := new(book)
	once := idempotency.New(b, new(keylock.Locks), slog.New(slog.DiscardHandler))
	w := b.made(idempotency.Outcome{})
	w.Run = func(begin func() error) idempotency.Outcome {
		if err := begin(); err != nil {
			t.Error(err)
		}
		panic("ours")
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = once.Do(t.Context(), w, time.Second, time.Second)
	}()
	answer, replayed, err := once.Do(t.Context(), b.made(idempotency.Outcome{}), time.Second, time.Second)
	if string(answer) != "found" || !replayed || err != nil || strings.Contains(strings.Join(b.steps, " "), "send") {
		t.Errorf("%q, %t, %v after %v", answer, replayed, err, b.steps)
	}
}
