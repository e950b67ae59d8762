package redis

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/teamlumos/mcp-edge/authz/limit"
)

//go:embed take.lua
var takeLua string

// newScript returns what counts events. It is sent by its hash; a server that
// does not know it gets the text.
func newScript() *rueidis.Lua { return rueidis.NewLuaScript(takeLua) }

// prefix begins every key, beside those of other programs.
const prefix = "mcp-edge:"

// ask counts an event at the server.
func ask(ctx context.Context, client rueidis.Client, take *rueidis.Lua, b *limit.Buckets) (limit.Verdicts, error) {
	keys := make([]string, 0, limit.MaxBuckets)
	args := make([]string, 0, 2*limit.MaxBuckets)
	for i := range b {
		if rate := b[i].Rate; rate.Limits() {
			keys = append(keys, prefix+b[i].Key)
			args = append(args, nanoseconds(rate.Interval()), nanoseconds(rate.Window()))
		}
	}
	answer, err := take.Exec(ctx, client, keys, args).AsIntSlice()
	if err != nil {
		return limit.Verdicts{}, err
	}
	if len(answer) != 1+len(keys) {
		return limit.Verdicts{}, fmt.Errorf("the script answered %d numbers for %d buckets", len(answer), len(keys))
	}
	return judge(b, answer[0] == 1, answer[1:]), nil
}

// nanoseconds writes a time as the script reads it.
func nanoseconds(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }

// judge puts the answer into the terms of package limit.
func judge(b *limit.Buckets, counted bool, spent []int64) (v limit.Verdicts) {
	for i := range b {
		rate := b[i].Rate
		if !rate.Limits() {
			v[i] = limit.Unlimited
			continue
		}
		v[i] = verdict(rate.Interval(), rate.Window(), counted, time.Duration(spent[0]))
		spent = spent[1:]
	}
	return v
}

func verdict(interval, window time.Duration, counted bool, spent time.Duration) limit.Verdict {
	// The slack is that of the script.
	const slack = time.Microsecond
	if wait := spent + interval - window; !counted && wait > slack {
		// The server's clock counts in microseconds, and the slack makes up for the rest.
		return limit.Verdict{RetryAfter: wait.Truncate(time.Microsecond), Reset: spent}
	}
	return limit.Verdict{OK: true, Remaining: int((window - spent + slack) / interval), Reset: spent}
}
