package limit_test

import (
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/limit/limittest"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func TestTheEngineOfOneProcessConforms(t *testing.T) {
	limittest.Run(t, func(t *testing.T, c *clock.Fake) limit.Engine {
		e, err := limit.NewLocal(0, c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e
	})
}

func TestAnEngineOfNegativeSizeIsRefused(t *testing.T) {
	if _, err := limit.NewLocal(-1, nil); err == nil {
		t.Error("accepted")
	}
}

func TestAnEventThatIsRefusedElsewhereLeavesNoBucketBehind(t *testing.T) {
	m := newMemory(t, 2)
	hourly := limit.Rate{Events: 1, Per: time.Hour, Burst: 1}
	m.Take("a", hourly, start)
	m.Take("full", hourly, start)
	m.TakeAll(&limit.Buckets{{Key: "new", Rate: hourly}, {Key: "full", Rate: hourly}}, start)
	if m.Take("a", hourly, start).OK {
		t.Error("it pushed another out")
	}
}

// twoBuckets are those of a call: of a person and of their domain.
var twoBuckets = limit.Buckets{
	{Key: "{acme.com}rKUXBW6hkLtVrRTwxQ3qTvA", Rate: limit.Rate{Events: 1 << 30, Per: time.Second, Burst: 1 << 30}},
	{Key: "{acme.com}", Rate: limit.Rate{Events: 1 << 30, Per: time.Second, Burst: 1 << 30}},
}

func BenchmarkTakeOfAPersonAndTheirDomain(b *testing.B) {
	e, err := limit.NewLocal(0, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var engine limit.Engine = e
	for b.Loop() {
		engine.Take(b.Context(), twoBuckets)
	}
}

func TestTwoBucketsAllocateNothing(t *testing.T) {
	e, err := limit.NewLocal(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var engine limit.Engine = e
	ctx := t.Context()
	engine.Take(ctx, twoBuckets)
	if n := testing.AllocsPerRun(100, func() { engine.Take(ctx, twoBuckets) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
